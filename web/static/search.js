// "/" leads to the search box from anywhere on the page, but never while somebody types or an
// input method is composing.

const box = document.getElementById("seek");

document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.isComposing || event.keyCode === 229) return;
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  event.preventDefault();
  box?.focus();
  box?.select();
});
