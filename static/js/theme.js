// The server writes data-bs-theme from the cookie, so there is no flash. Without a cookie the system decides.
// The forms post to /theme without JavaScript; with it the switch is immediate and nothing is sent.
const root = document.documentElement;
const system = matchMedia("(prefers-color-scheme: dark)");
const chosen = () => document.cookie.match(/(?:^|; )(?:__Host-)?dxp_theme=(light|dark)/)?.[1] ?? null;
const shown = () => chosen() ?? (system.matches ? "dark" : "light");

function show() {
  root.dataset.bsTheme = shown();
  for (const button of document.querySelectorAll("[data-set-theme]")) {
    const value = button.dataset.setTheme;
    const pressed = value === "toggle" ? shown() === "dark" : value === (chosen() ?? "system");
    button.setAttribute("aria-pressed", String(pressed));
  }
}

function choose(theme) {
  const age = theme === "system" ? 0 : 31536000;
  const isSecure = location.protocol === "https:";
  const name = isSecure ? "__Host-dxp_theme" : "dxp_theme";
  document.cookie = `${name}=${theme}; Path=/; Max-Age=${age}; SameSite=Lax${isSecure ? "; Secure" : ""}`;
  show();
}

show();
system.addEventListener("change", show);
document.addEventListener("htmx:afterSettle", show);
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-set-theme]");
  if (!button) return;
  event.preventDefault();
  choose(button.dataset.setTheme === "toggle" ? (shown() === "dark" ? "light" : "dark") : button.dataset.setTheme);
});
