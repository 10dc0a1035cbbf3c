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

// Whoever sent a form with something wrong goes on there.
document.querySelector("input[aria-invalid], select[aria-invalid], textarea[aria-invalid]")?.focus();

// Whoever writes a date means it.
for (const date of document.querySelectorAll("input[name=expires_on]")) {
  date.addEventListener("input", () => {
    const choice = date.form.querySelector("input[name=expiry][value=date]");
    choice.checked = choice.checked || date.value !== "";
  });
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

// A form is sent once, however often its button is clicked in a short time.
const sent = new WeakMap();
document.addEventListener("submit", (event) => {
  const isFine = event.target.method !== "post" || event.submitter?.dataset.again !== undefined;
  // After a download, the page is still there, and so are the other buttons of the form.
  if (isFine) {
    return;
  }
  if (event.timeStamp - (sent.get(event.target) ?? -Infinity) < 5000) {
    event.preventDefault();
  } else {
    sent.set(event.target, event.timeStamp);
  }
});

// A new key is copied by a click, and not left behind by mistake.
for (const button of document.querySelectorAll("[data-copy]")) {
  const warn = (event) => event.preventDefault();
  const isCopied = () => window.removeEventListener("beforeunload", warn);
  window.addEventListener("beforeunload", warn);
  document.addEventListener("copy", isCopied);
  // Browsers have a clipboard only for pages that came by TLS, or from this machine.
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = button.dataset.copied;
    isCopied();
  });
}
