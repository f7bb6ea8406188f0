// Where the machine hesitated: its other hearings, picked by mouse or number key. A pick replaces
// the passage in the text as typing would, so that the browser's own undo takes it back.

import { composing } from "./review-keys.js";

export function watchChoices(sound) {
  const panel = document.getElementById("choices");
  if (!panel) return { open() {} };
  const list = document.getElementById("choices-list");
  const said = document.getElementById("choices-said");
  const undo = document.getElementById("choices-undo");
  const text = document.getElementById("f-text");
  const picked = new Map(); // start of a passage in ms -> what stands in its place now
  let choices = [];
  let here = 0;
  let marked = 0;

  function load() {
    choices = JSON.parse(document.getElementById("machine")?.dataset.choices || "[]");
    if (!choices.length) panel.hidden = true;
  }

  const present = (choice) => picked.get(choice.start_ms) ?? choice.said;

  function show() {
    const choice = choices[here];
    const count = panel.dataset.textCount.replace("NUMBER", here + 1).replace("COUNT", choices.length);
    document.getElementById("choices-title").textContent =
      panel.dataset.textInstead.replace("SAID", () => "“" + present(choice) + "”") + " (" + count + ")";
    list.replaceChildren(...choice.texts.map(option));
    mark(0);
  }

  function option(words, index) {
    const made = document.createElement("div");
    made.role = "option";
    made.id = "choice-" + index;
    const number = document.createElement("kbd");
    number.textContent = index + 1;
    made.append(number, " ", words);
    made.addEventListener("click", () => pick(index));
    return made;
  }

  function mark(index) {
    marked = index;
    [...list.children].forEach((made, at) => made.setAttribute("aria-selected", String(at === index)));
    list.setAttribute("aria-activedescendant", "choice-" + index);
    list.children[index]?.scrollIntoView({ block: "nearest" });
  }

  function open(index) {
    load();
    if (!choices.length) return;
    here = index ?? nearest();
    panel.hidden = false;
    said.textContent = "";
    undo.hidden = true;
    show();
    list.focus();
    panel.scrollIntoView({ block: "nearest" });
  }

  // Open already: the next one; else the first that is not over where the sound stands.
  function nearest() {
    if (!panel.hidden) return (here + 1) % choices.length;
    const now = (sound?.now() || 0) * 1000;
    return Math.max(0, choices.findIndex((choice) => choice.end_ms > now));
  }

  function close() {
    panel.hidden = true;
    text.focus();
  }

  // Where the passage stands in the text now: the place nearest to where it stood, or what is marked.
  function find(choice) {
    const words = present(choice);
    const places = [];
    for (let at = text.value.indexOf(words); at >= 0; at = text.value.indexOf(words, at + 1)) places.push(at);
    if (places.length) {
      const at = places.sort((a, b) => Math.abs(a - choice.at) - Math.abs(b - choice.at))[0];
      return [at, at + words.length];
    }
    return text.selectionEnd > text.selectionStart ? [text.selectionStart, text.selectionEnd] : null;
  }

  function pick(index) {
    const choice = choices[here];
    const words = choice.texts[index];
    const place = words === undefined ? null : find(choice);
    if (words === undefined) return;
    if (!place) {
      said.textContent = "⚠ " + panel.dataset.textLost;
      return;
    }
    text.focus();
    text.setSelectionRange(...place);
    if (!document.execCommand("insertText", false, words)) {
      text.setRangeText(words, ...place, "end");
      text.dispatchEvent(new Event("input", { bubbles: true }));
    }
    picked.set(choice.start_ms, words);
    panel.hidden = true;
    said.textContent = "✓ " + panel.dataset.textTaken;
    undo.hidden = false;
  }

  list.addEventListener("keydown", (event) => {
    if (composing(event) || event.ctrlKey || event.altKey || event.metaKey) return;
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (/^[1-9]$/.test(event.key)) pick(Number(event.key) - 1);
    else if (event.key in steps) mark((marked + steps[event.key] + list.children.length) % list.children.length);
    else if (event.key === "Enter") pick(marked);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  undo.addEventListener("click", () => {
    text.focus();
    document.execCommand("undo");
    undo.hidden = true;
    said.textContent = "";
  });
  text.addEventListener("input", (event) => {
    if (event.inputType === "historyUndo") picked.clear();
  });
  document.getElementById("choices-hear").addEventListener("click", () => sound?.hear(choices[here].start_ms));
  document.getElementById("choices-next").addEventListener("click", () => open());
  document.getElementById("choices-close").addEventListener("click", close);
  document.getElementById("words").addEventListener("click", (event) => {
    const opener = event.target.closest("[data-choice]");
    if (opener) open(Number(opener.dataset.choice));
  });
  return { open: () => open() };
}
