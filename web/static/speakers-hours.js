// Presets fill the 24 numbers; bars show them. Nothing is sent before "Save".

const inputs = [...document.querySelectorAll("#hours input[name=percent]")];
const presets = document.getElementById("presets");

function show() {
  for (const input of inputs) input.parentElement.querySelector("meter").value = input.value || 0;
}

presets.hidden = false;
presets.addEventListener("click", (event) => {
  const numbers = event.target.dataset.percent?.split(",");
  if (!numbers) return;
  inputs.forEach((input, hour) => { input.value = numbers[hour]; });
  show();
});
document.getElementById("hours").addEventListener("input", show);
