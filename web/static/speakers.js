// A silence begins without any news, so the list is asked for now and then.

const list = document.querySelector("[data-live]");

setInterval(() => {
  if (document.hidden) return;
  document.dispatchEvent(new CustomEvent("xiangyin:refresh", { detail: { part: list } }));
}, 60_000);
