// Finds a village in a long list: what is typed keeps the options that hold it.

const box = document.querySelector("[data-filter-for]");
if (box) {
  const list = document.getElementById(box.dataset.filterFor);
  const all = [...list.options];
  const typed = box.querySelector("input");
  box.hidden = false;
  const narrow = () => {
    const wanted = typed.value.trim().toLowerCase();
    const kept = all.filter((option) => option.value && option.text.toLowerCase().includes(wanted));
    const chosen = list.value;
    list.replaceChildren(...all.filter((option) => !option.value || kept.includes(option)));
    list.value = kept.some((option) => option.value === chosen) ? chosen : "";
    if (wanted && kept.length === 1) list.value = kept[0].value;
  };
  typed.addEventListener("input", (event) => {
    if (!event.isComposing) narrow();
  });
  typed.addEventListener("compositionend", narrow);
}
