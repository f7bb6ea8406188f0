// The steps are asked for every two seconds; a screen reader is told the summary when it changes.

const told = document.getElementById("told");

function tell() {
  const words = document.querySelector(".tone .lead")?.textContent.trim() || "";
  if (told.textContent !== words) told.textContent = words;
}

document.addEventListener("htmx:afterSettle", tell);
document.addEventListener("xiangyin:fresh", tell);
