// <button data-copy="#id"> copies the visible element's text; the word changes for two seconds and is announced.
function select(node) {
  const range = document.createRange();
  range.selectNodeContents(node);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}

async function copy(node) {
  try {
    await navigator.clipboard.writeText(node.innerText.trim());
    return true;
  } catch {
    select(node);                      // plain http has no clipboard: leave it selected for ⌘C
    return document.execCommand("copy");
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = [...document.querySelectorAll(button.dataset.copy)].find((node) => node.checkVisibility());
  if (!source) return;
  const word = button.querySelector("[aria-live]") ?? button;
  const before = button.dataset.word ??= word.textContent;
  word.textContent = (await copy(source)) ? "Copied" : "Press ⌘C";
  setTimeout(() => { word.textContent = before; }, 2000);
});
