// Putting new content into a part of a page without losing the place of whoever reads it: focus,
// what was typed, what was opened, how far it was scrolled, and a sound that is playing.

const FOCUSABLE = "a[href], button, input, select, textarea, summary, audio, [tabindex]";
const TYPED = "input:not([type=hidden], [type=checkbox], [type=radio], [type=file]), textarea";
const tokens = /name="csrf_token" value="[^"]*"/g;
const gist = (html) => html.replace(tokens, "").trim();
const shown = new WeakMap(); // part -> what was put there last
const all = (part, selector) => [...part.querySelectorAll(selector)];

// What an element is, so that its like can be found in the new content.
function signature(element) {
  const { id, tagName } = element;
  const own = element.getAttribute("href") || element.name || element.closest("form")?.action || "";
  const inside = element.closest("[id]")?.id || "";
  const words = (element.querySelector("summary") || element).textContent.trim();
  return [tagName, id || own, id ? "" : inside, own || id ? "" : words].join("|");
}

function numbered(elements) {
  const counts = new Map();
  return elements.map((element) => {
    const plain = signature(element);
    const number = (counts.get(plain) || 0) + 1;
    counts.set(plain, number);
    return `${plain}#${number}`;
  });
}

function like(part, selector, wanted) {
  const elements = all(part, selector);
  return elements[numbered(elements).indexOf(wanted)];
}

function remember(part) {
  const focusables = all(part, FOCUSABLE);
  const index = focusables.indexOf(document.activeElement);
  const opened = all(part, "details");
  return {
    index,
    focus: index < 0 ? "" : numbered(focusables)[index],
    top: index < 0 ? 0 : focusables[index].getBoundingClientRect().top,
    states: numbered(opened).map((name, number) => [name, opened[number].open]),
    scrolled: all(part, "*")
      .map((element, number) => [number, element.tagName, element.scrollLeft, element.scrollTop])
      .filter(([, , left, top]) => left || top),
    typed: all(part, TYPED)
      .filter((input) => input.value !== input.defaultValue)
      .map((input) => [input.id, input.value]),
    playing: all(part, "audio").filter((audio) => !audio.paused && !audio.ended),
  };
}

function restore(part, was) {
  for (const audio of was.playing) {
    const fresh = all(part, "audio").find((each) => each.getAttribute("src") === audio.getAttribute("src"));
    fresh?.replaceWith(audio);
  }
  for (const [name, open] of was.states) {
    const details = like(part, "details", name);
    if (details) details.open = open;
  }
  for (const [id, value] of was.typed) {
    const input = id && document.getElementById(id);
    if (input && part.contains(input)) input.value = value;
  }
  const everything = was.scrolled.length ? all(part, "*") : [];
  for (const [number, tagName, scrollLeft, scrollTop] of was.scrolled) {
    const element = everything[number];
    if (element?.tagName === tagName) Object.assign(element, { scrollLeft, scrollTop });
  }
  if (was.index < 0) return;
  const focusables = all(part, FOCUSABLE);
  const again = like(part, FOCUSABLE, was.focus);
  const heir = again || focusables[Math.min(was.index, focusables.length - 1)];
  heir?.focus({ preventScroll: true });
  if (again) scrollBy(0, again.getBoundingClientRect().top - was.top);
}

// Whether the content changed; what did not change is left alone.
export function put(part, html) {
  const next = document.createElement("template");
  next.innerHTML = html;
  if (shown.get(part) === gist(html) || gist(next.innerHTML) === gist(part.innerHTML)) return false;
  shown.set(part, gist(html));
  const was = remember(part);
  part.innerHTML = html;
  restore(part, was);
  return true;
}
