// One report: hear it, mend its words, decide. Works with the keyboard while somebody types; no
// key does anything while an input method is composing. Drafts go to the server and, until it
// has said yes, stay in this browser.

import { watchSound } from "./review-sound.js";
import { watchDraft } from "./review-draft.js";

const sound = watchSound();
const draft = watchDraft();

function composing(event) {
  return event.isComposing || event.keyCode === 229;
}

function plainTarget(target) {
  return !target.closest("input, textarea, select, button, a, summary, [role=slider]");
}

const ANYWHERE = {
  Escape: () => sound?.toggle(),
  F2: () => sound?.jump(-3),
  F8: () => sound?.nextSpeed(),
  F9: () => sound?.nextDoubt(),
};
const OUTSIDE_FIELDS = {
  " ": () => sound?.toggle(),
  ArrowLeft: () => sound?.jump(-3),
  ArrowRight: () => sound?.jump(3),
};

document.addEventListener("keydown", (event) => {
  if (composing(event) || event.repeat || event.altKey || event.metaKey) return;
  if (event.ctrlKey) {
    const accept = document.getElementById("accept");
    if (event.key === "Enter" && accept) {
      event.preventDefault();
      accept.click();
    }
    return;
  }
  if (event.shiftKey) return;
  const act = ANYWHERE[event.key] || (plainTarget(event.target) && OUTSIDE_FIELDS[event.key]);
  if (!act) return;
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
