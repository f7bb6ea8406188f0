// One report: hear it, mend its words, decide. Works with the keyboard while somebody types; no
// key does anything while an input method is composing. Drafts go to the server and, until it
// has said yes, stay in this browser.

import { watchChoices } from "./review-choices.js";
import { watchDraft } from "./review-draft.js";
import { composing, watchKeys } from "./review-keys.js";
import { watchSound } from "./review-sound.js";

const sound = watchSound();
const draft = watchDraft();
const keys = watchKeys();
const choices = watchChoices(sound);

function plainTarget(target) {
  return !target.closest("input, textarea, select, button, a, summary, [role=slider], [role=listbox]");
}

const ACTIONS = {
  play: () => sound?.toggle(),
  back: () => sound?.jump(-3),
  speed: () => sound?.nextSpeed(),
  doubt: () => sound?.nextDoubt(),
  choices: () => choices.open(),
  save: () => document.getElementById("save")?.click(),
  accept: () => document.getElementById("accept")?.click(),
};
const OUTSIDE_FIELDS = {
  " ": () => sound?.toggle(),
  ArrowLeft: () => sound?.jump(-3),
  ArrowRight: () => sound?.jump(3),
};

document.addEventListener("keydown", (event) => {
  if (composing(event) || event.repeat || event.defaultPrevented) return;
  const bare = !(event.ctrlKey || event.altKey || event.metaKey || event.shiftKey);
  const outside = bare && plainTarget(event.target) && OUTSIDE_FIELDS[event.key];
  const act = ACTIONS[keys.actionOf(event)] || outside;
  if (!act || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  act();
});

// Enter in a one-line field must not send the form: only its buttons and Ctrl+Enter do.
document.getElementById("review")?.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches("input")) event.preventDefault();
});

// A draft on its way would make the form's version old: wait for it.
document.getElementById("review")?.addEventListener("submit", (event) => {
  if (!draft.isSaving()) {
    draft.sent();
    return;
  }
  event.preventDefault();
  const { target, submitter } = event;
  const waiting = setInterval(() => {
    if (draft.isSaving()) return;
    clearInterval(waiting);
    target.requestSubmit(submitter);
  }, 30);
});
