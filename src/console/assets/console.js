// Makes the console nicer; nothing needs it.
"use strict";

// Times in the viewer's zone, with the exact instant on hover.
const zone = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
for (const time of document.querySelectorAll("time[datetime]")) {
  const instant = new Date(time.dateTime);
  if (!Number.isNaN(instant.getTime())) {
    time.title = time.dateTime;
    time.textContent = zone.format(instant);
  }
}

// A slash searches.
document.addEventListener("keydown", (event) => {
  const field = document.querySelector("[data-search]");
  const writes = event.target instanceof Element && event.target.closest("input, textarea, select");
  if (event.key === "/" && field && !writes && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    field.focus();
  }
});

// A new key is copied by a click, and not left behind by mistake.
// Browsers have a clipboard only for pages that came by TLS, or from this machine.
for (const button of navigator.clipboard ? document.querySelectorAll("[data-copy]") : []) {
  const warn = (event) => event.preventDefault();
  button.hidden = false;
  window.addEventListener("beforeunload", warn);
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = button.dataset.copied;
    window.removeEventListener("beforeunload", warn);
  });
}
