// A form is sent once, however often a tired thumb taps; and a person sees that it is on its way.
//   <form data-confirm="…"> asks before it sends.

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  if (form.dataset.confirm && !window.confirm(form.dataset.confirm)) {
    event.preventDefault();
    return;
  }
  if (form.method !== "post" || event.defaultPrevented) return;
  const isHtmx = form.hasAttribute("hx-post");
  if (isHtmx) return;
  form.dataset.sent = "yes";
  const button = event.submitter || form.querySelector("button");
  if (button) {
    button.setAttribute("aria-busy", "true");
    button.dataset.words = button.textContent;
    button.textContent = document.body.dataset.sending;
  }
});

// Coming back with the browser's button must not leave a form that was "sent".
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    const button = form.querySelector("button[aria-busy]");
    if (button) {
      button.removeAttribute("aria-busy");
      button.textContent = button.dataset.words;
    }
  }
});

(document.querySelector("[aria-invalid]") || document.querySelector(".has-error input"))?.focus();
