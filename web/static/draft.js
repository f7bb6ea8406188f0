// What was written in a form outlives a login that ran out, until the form has been taken.
//   <form data-draft="name"> keeps it in this tab; <div data-draft-done="name"> lets it go.

const keyOf = (name) => `draft:${name}`;
const isKept = (field) => field.name && !["hidden", "file", "password", "submit", "button"].includes(field.type);

function read(form) {
  return [...form.elements].filter(isKept).map((field) => [field.name, field.value, Boolean(field.checked)]);
}

function fill(form, kept) {
  const before = JSON.stringify(read(form));
  for (const field of [...form.elements].filter(isKept)) {
    const choice = ["checkbox", "radio"].includes(field.type);
    const found = kept.find(([name, value]) => name === field.name && (!choice || value === field.value));
    if (!found) continue;
    if (choice) field.checked = found[2];
    else field.value = found[1];
  }
  return JSON.stringify(read(form)) !== before;
}

for (const done of document.querySelectorAll("[data-draft-done]")) {
  sessionStorage.removeItem(keyOf(done.dataset.draftDone));
}

const form = document.querySelector("form[data-draft]");
if (form) {
  const key = keyOf(form.dataset.draft);
  const isShownWithError = document.querySelector(".has-error, .wrong"); // the server gave it back
  const isFilledIn = form.elements.instead_of?.value;
  const kept = sessionStorage.getItem(key);
  if (kept && !isShownWithError && !isFilledIn && fill(form, JSON.parse(kept))) {
    document.getElementById("kept").hidden = false;
  }
  const keep = () => sessionStorage.setItem(key, JSON.stringify(read(form)));
  form.addEventListener("input", keep);
  form.addEventListener("submit", keep);
}
