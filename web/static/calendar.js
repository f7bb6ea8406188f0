// Listening beside the list (so that news never cuts a sound off), and ticking many boxes at once.

const figure = document.getElementById("listen");

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-listen]");
  if (!link || !figure) return;
  event.preventDefault();
  document.getElementById("listen-where").textContent = link.dataset.listen;
  figure.hidden = false;
  const audio = document.getElementById("listen-audio");
  audio.src = link.href;
  audio.play().catch(() => audio.focus()); // a browser that forbids it leaves the button to press
  figure.scrollIntoView({ block: "nearest" });
});

for (const bar of document.querySelectorAll("[data-ticks]")) {
  bar.hidden = false;
  bar.addEventListener("click", (event) => {
    const button = event.target.closest("[data-tick]");
    if (!button) return;
    for (const box of bar.closest("fieldset").querySelectorAll('input[type="checkbox"]')) {
      box.checked = button.dataset.tick === "all";
    }
  });
}
