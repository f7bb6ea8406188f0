// Keys of the review page: which key does what, shown on the buttons, changed in a dialog and kept
// in this browser for each person.

const FIRST = {
  play: "Escape",
  back: "F2",
  speed: "F8",
  doubt: "F9",
  choices: "F10",
  save: "Ctrl+S",
  accept: "Ctrl+Enter",
};
const BARE = new Set(["Control", "Shift", "Alt", "Meta", "AltGraph", "CapsLock", "NumLock"]);
const SHORT = { Escape: "Esc", " ": "Space", ArrowLeft: "←", ArrowRight: "→" };
const WRITING = /^(Shift\+)?(.|Enter|Tab|Backspace|Delete|Home|End|Page\w+|Arrow\w+|Process|Dead|Unidentified)$/u;

export function composing(event) {
  return event.isComposing || event.keyCode === 229;
}

// "Ctrl+Enter", "F9"; null for a modifier alone.
export function nameOf(event) {
  if (BARE.has(event.key) || event.metaKey) return null;
  const key = event.key.length === 1 ? event.key.toUpperCase() : event.key;
  return (event.ctrlKey ? "Ctrl+" : "") + (event.altKey ? "Alt+" : "") + (event.shiftKey ? "Shift+" : "") + key;
}

function shown(name) {
  return name.replace(/[^+]+$/, (key) => SHORT[key] || key);
}

export function watchKeys() {
  const dialog = document.getElementById("keys");
  if (!dialog) return { actionOf: () => null };
  const store = "xiangyin-keys:" + dialog.dataset.who;
  const said = document.getElementById("keys-said");
  let keys = { ...FIRST, ...read() };
  let waiting = null; // the button that waits for its new key

  function read() {
    try {
      const kept = JSON.parse(localStorage.getItem(store) || "{}");
      const known = Object.entries(kept).filter(([action, key]) => action in FIRST && typeof key === "string");
      return Object.fromEntries(known);
    } catch {
      return {};
    }
  }

  function keep() {
    try {
      if (Object.keys(FIRST).every((action) => keys[action] === FIRST[action])) localStorage.removeItem(store);
      else localStorage.setItem(store, JSON.stringify(keys));
    } catch {
      // without a store the keys last until the page is left
    }
  }

  function show() {
    for (const mark of document.querySelectorAll("kbd[data-key]")) {
      mark.textContent = shown(keys[mark.dataset.key]);
      mark.closest("[aria-keyshortcuts]")?.setAttribute("aria-keyshortcuts", keys[mark.dataset.key].replace("Ctrl", "Control"));
    }
    for (const button of dialog.querySelectorAll("[data-action]")) {
      button.textContent = button === waiting ? dialog.dataset.textPress : shown(keys[button.dataset.action]);
    }
  }

  function take(event) {
    const name = nameOf(event);
    if (!waiting || composing(event) || !name) return;
    event.preventDefault();
    event.stopPropagation();
    const { action } = waiting.dataset;
    const holder = Object.keys(keys).find((other) => other !== action && keys[other] === name);
    if (WRITING.test(name)) said.textContent = dialog.dataset.textPlain;
    else if (holder) said.textContent = dialog.dataset.textTaken;
    else {
      keys[action] = name;
      said.textContent = "";
      waiting = null;
      keep();
    }
    show();
  }

  dialog.addEventListener("keydown", take);
  dialog.addEventListener("cancel", (event) => {
    if (waiting) event.preventDefault(); // Escape was the new key
  });
  dialog.addEventListener("close", () => {
    waiting = null;
    show();
  });
  dialog.addEventListener("click", (event) => {
    const button = event.target.closest("[data-action]");
    if (!button) return;
    waiting = button;
    said.textContent = "";
    show();
  });
  document.getElementById("keys-close").addEventListener("click", () => dialog.close());
  document.getElementById("keys-reset").addEventListener("click", () => {
    keys = { ...FIRST };
    waiting = null;
    said.textContent = "";
    keep();
    show();
  });
  document.getElementById("open-keys")?.addEventListener("click", () => dialog.showModal());
  document.addEventListener("xiangyin:fresh", show);
  show();
  return {
    actionOf: (event) => (dialog.open ? null : Object.keys(keys).find((action) => keys[action] === nameOf(event)) || null),
  };
}
