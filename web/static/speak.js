// Speaking live: prepare the microphone, go on air, end. Sound leaves in pieces of about a tenth of
// a second by POST, one at a time; what could not leave within two seconds is left behind, so that
// the villages always hear the present.

import { Microphone, level } from "./speak-microphone.js";

const PIECE_MS = 100;
const STATE_MS = 1000;
const PER_MS = 16;
const LATE_MS = 2000;
const LOST_MS = 5000;
const BEGIN_MS = 30_000; // longer than the server waits for its database
const SILENT_LEVEL = 8;
const form = document.getElementById("speak");
const words = document.getElementById("words").content;
const text = form.dataset;
const get = (id) => document.getElementById(id);
const boxes = () => [...form.querySelectorAll("input[name=villages]")];

let microphone = null;
let session = null; // {id, began, waiting, at, answered, go, busy, looking, next, over}

function trouble(message) {
  get("trouble").hidden = !message;
  get("trouble").className = "banner bad";
  get("trouble").textContent = message ? `⚠ ${message}` : "";
  if (message) get("trouble").scrollIntoView({ block: "center" });
}

// --- villages ---

function count() {
  const chosen = boxes().filter((box) => box.checked).length;
  get("chosen").textContent = text.chosen.replace("{count}", chosen);
  get("arm").disabled = get("air").disabled = chosen === 0;
  for (const whole of form.querySelectorAll(".whole")) {
    const inside = [...whole.closest(".group").querySelectorAll("input[name=villages]:enabled")];
    const ticked = inside.filter((box) => box.checked).length;
    whole.checked = inside.length > 0 && ticked === inside.length;
    whole.indeterminate = ticked > 0 && ticked < inside.length;
    whole.disabled = inside.length === 0;
  }
}

// Where quiet was ordered a village is ticked by its own box alone.
function tick(inside, on) {
  for (const box of inside) if (!box.disabled && !(on && box.dataset.quiet)) box.checked = on;
  count();
}

get("all").addEventListener("click", () => tick(boxes(), true));
get("none").addEventListener("click", () => tick(boxes(), false));
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("change", (event) => {
  const whole = event.target.closest(".whole");
  if (whole) tick(whole.closest(".group").querySelectorAll("input[name=villages]"), whole.checked);
  else count();
});

// --- the microphone ---

function why(error) {
  if (error.name === "NotAllowedError" || error.name === "SecurityError") return text.refused;
  if (error.name === "NotFoundError" || error.name === "OverconstrainedError") return text.noMicrophone;
  if (error.name === "NotReadableError" || error.name === "AbortError") return text.inUse;
  return text.oldBrowser;
}

async function arm() {
  trouble("");
  if (!window.isSecureContext) return trouble(text.noHttps);
  if (!navigator.mediaDevices || !(window.AudioContext || window.webkitAudioContext)) {
    return trouble(text.oldBrowser);
  }
  get("arm").disabled = true;
  microphone = new Microphone(text.worklet, heard, () => {
    if (session) finish("speaker", text.unplugged);
    disarm();
  });
  try {
    await microphone.open();
  } catch (error) {
    disarm();
    return trouble(why(error));
  }
  form.dataset.way = microphone.way;
  get("arm").hidden = true;
  get("ready").hidden = false;
  get("air").focus();
  get("air").scrollIntoView({ block: "center" });
}

function disarm() {
  microphone?.close();
  microphone = null;
  get("arm").hidden = get("arm").disabled = false;
  get("ready").hidden = true;
  count();
}

let loudest = 0;
function heard(samples) {
  const now = level(samples);
  loudest = Math.max(loudest * 0.97, now);
  get("level").value = now;
  get("level-words").textContent = loudest < SILENT_LEVEL ? text.quietWarning : "";
  if (session?.go && !session.over) {
    session.waiting.push(samples);
    send();
  }
}

// --- on air ---

async function post(path, body, headers = {}, limitMs = LOST_MS) {
  const aborting = new AbortController();
  const timer = setTimeout(() => aborting.abort(), limitMs);
  try {
    return await fetch(path, {
      method: "POST", body, redirect: "error", signal: aborting.signal,
      headers: { "X-CSRF-Token": text.csrf, ...headers },
    });
  } finally {
    clearTimeout(timer);
  }
}

// {id}, or {detail}: what hinders it. Without an answer nobody knows whether the server has begun it.
async function begin() {
  const answer = await post("/speak", new FormData(form), {}, BEGIN_MS).catch(() => null);
  if (!answer || answer.status === 502 || answer.status === 504) return { detail: text.perhapsBegun };
  return answer.json().catch(() => ({ detail: answer.ok ? text.perhapsBegun : text.notBegun }));
}

async function goOnAir() {
  trouble("");
  get("asking").textContent = text.calling;
  const asked = begin(); // has read the form
  get("places").disabled = get("air").disabled = get("disarm").disabled = true;
  const { id, detail } = await asked;
  get("asking").textContent = "";
  get("places").disabled = get("disarm").disabled = false;
  count();
  if (!id) return trouble(detail);
  const now = performance.now();
  session = { id, began: now, waiting: [], at: 0, answered: now, go: false, busy: false, looking: false, over: false };
  if (!microphone) return finish("speaker", text.unplugged);
  get("places").disabled = true;
  get("ready").querySelector(".actions").hidden = true;
  get("on-air").hidden = get("listeners").hidden = get("air-bar").hidden = false;
  get("cue").textContent = text.calling;
  get("end").focus({ preventScroll: true });
  get("desk").scrollIntoView({ block: "start" });
  look();
  session.timer = setInterval(beat, PIECE_MS);
}

function beat() {
  const seconds = Math.floor((performance.now() - session.began) / 1000);
  get("air-time").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  if (performance.now() - session.answered > LOST_MS) return finish("connection", text.lost);
  send();
}

function pack() {
  let length = session.waiting.reduce((sum, piece) => sum + piece.length, 0);
  while (length > LATE_MS * PER_MS) { // too late for the villages
    const old = session.waiting.shift();
    session.at += old.length;
    length -= old.length;
  }
  const whole = Math.floor(length / PER_MS) * PER_MS;
  const joined = new Int16Array(length);
  let offset = 0;
  for (const piece of session.waiting) {
    joined.set(piece, offset);
    offset += piece.length;
  }
  session.waiting = length > whole ? [joined.slice(whole)] : [];
  return joined.slice(0, whole);
}

async function send() {
  const mine = session;
  if (!mine || mine.over || mine.busy) return;
  const length = mine.waiting.reduce((sum, piece) => sum + piece.length, 0);
  if (mine.go ? length < PIECE_MS * PER_MS : performance.now() - mine.answered < 1000) return;
  mine.busy = true;
  const sound = pack();
  const at = Math.round(mine.at / PER_MS);
  try {
    const answer = await post(`/speak/sound/${mine.id}?at_ms=${at}`, sound, {
      "Content-Type": "application/octet-stream",
    });
    if (!answer.ok) throw new Error(answer.status);
    mine.answered = performance.now();
    mine.at += sound.length;
    if ((await answer.json()).over) look();
  } catch {
    if (!mine.over) mine.waiting.unshift(sound); // sent again; the server leaves out what it has
    await new Promise((done) => setTimeout(done, 200));
  }
  mine.busy = false;
}

async function look() {
  const mine = session;
  if (!mine || mine.over || mine.looking) return;
  clearTimeout(mine.next);
  mine.looking = true;
  try {
    const answer = await fetch(`/speak/${mine.id}/state`, { redirect: "error" });
    if (answer.ok) show(mine, await answer.json());
  } catch {
    // the heart beat tells when the line is gone
  }
  mine.looking = false;
  if (!mine.over) mine.next = setTimeout(look, STATE_MS);
}

function word(selector) {
  return words.querySelector(selector);
}

function show(mine, told) {
  if (told.go && !mine.go) {
    mine.go = true;
    get("cue").textContent = text.speakNow;
    form.dataset.speaking = "1";
  }
  get("air-count").textContent = text.count.replace("{hearing}", told.hearing).replace("{called}", told.called);
  get("heard").replaceChildren(...told.villages.map((village) => {
    const line = document.createElement("li");
    const sign = word(`[data-state="${village.state}"]`);
    line.className = village.state;
    line.textContent = `${sign.dataset.sign} ${village.name} · ${sign.textContent}`;
    return line;
  }));
  if (told.over) ended(word(`[data-cause="${told.cause}"]`)?.textContent ?? "");
}

function ended(reason) {
  if (!session || session.over) return;
  session.over = true;
  clearInterval(session.timer);
  clearTimeout(session.next);
  delete form.dataset.speaking;
  get("air-bar").hidden = get("on-air").hidden = true;
  get("places").disabled = false;
  get("ready").querySelector(".actions").hidden = false;
  trouble("");
  get("cue").textContent = "";
  get("trouble").hidden = false;
  get("trouble").className = "banner info";
  get("trouble").textContent = `■ ${text.ended}: ${reason}`;
  get("trouble").scrollIntoView({ block: "center" });
  session = null;
  disarm();
}

async function finish(cause, message) {
  const mine = session;
  if (!mine || mine.over) return;
  if (cause === "speaker") { // the last words are on their way still
    for (let tries = 0; tries < 20 && mine.busy; tries += 1) await new Promise((done) => setTimeout(done, 25));
    await send();
  }
  ended(message || word(`[data-cause="${cause}"]`)?.textContent || "");
  const body = new URLSearchParams({ cause, csrf_token: text.csrf });
  for (let tries = 0; tries < 3; tries += 1) {
    try {
      const answer = await post(`/speak/${mine.id}/stop`, body);
      if (answer.ok) return;
    } catch {
      // the server ends it by itself after five seconds without us
    }
    await new Promise((done) => setTimeout(done, 500));
  }
}

get("arm").addEventListener("click", arm);
get("disarm").addEventListener("click", disarm);
get("air").addEventListener("click", goOnAir);
get("end").addEventListener("click", () => finish("speaker"));
get("hush").addEventListener("click", () => finish("hard_stop"));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && session) finish("hard_stop");
});
window.addEventListener("pagehide", () => {
  if (!session || session.over) return;
  const body = new URLSearchParams({ cause: "left", csrf_token: text.csrf });
  navigator.sendBeacon(`/speak/${session.id}/stop`, body);
  session.over = true;
});
count();
