// What htmx cannot show by itself: a failed request becomes a notice in the page instead of silence.
const WORDS = {
  403: "You may not do that any more. Reload the page to see what you can do.",
  404: "This is gone. Someone may have removed or renamed it.",
  429: "Too many requests at once. Wait a moment and try again.",
  503: "The service is busy. Nothing was changed; try again in a moment.",
};

function tell(text) {
  const place = document.querySelector("#notices");
  const template = document.querySelector("#notice-failing");
  if (!place || !template) return;
  const notice = template.content.cloneNode(true);
  notice.querySelector("[data-text]").textContent = text;
  place.replaceChildren(notice);
  place.scrollIntoView({ block: "nearest" });
}

document.addEventListener("htmx:responseError", (event) => {
  const { status } = event.detail.xhr;
  if (status === 401) location.reload();
  else tell(WORDS[status] ?? "That did not work. Nothing was changed; try again, or reload the page.");
});
document.addEventListener("htmx:sendError", () => tell("The server cannot be reached. Check the connection and try again."));
document.addEventListener("htmx:timeout", () => tell("That took too long. Try again in a moment."));
