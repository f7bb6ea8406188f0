// Keeps parts of a page fresh. An element says what it waits for and where its content lives:
//   <section data-live="report.changed report.received" data-live-url="/reports/list">…</section>
// News carries no content: the part is fetched again, with this person's rights. Other scripts may
// listen: document.addEventListener("xiangyin:news", (event) => event.detail.kind).

//
// A browser grants a site few connections, so all tabs share one stream: the tab that holds the
// lock listens and tells the others. Without locks (old browsers) each tab listens by itself.

import { put } from "./live-place.js";

const LOST_AFTER_MS = 4000;
const ASK_AGAIN_MS = 5000;
const parts = () => [...document.querySelectorAll("[data-live]")];
const banner = document.getElementById("connection");
const busy = new WeakMap(); // part -> "running" | "again"
const tabs = "BroadcastChannel" in window ? new BroadcastChannel("xiangyin-live") : null;
let lostTimer = 0;

function say(text) {
  banner.hidden = !text;
  banner.textContent = text ? "⚠ " + text : "";
}

function isBeingUsed(part) {
  const focused = document.activeElement;
  return part.contains(focused) && focused.matches("input, textarea, select");
}

async function refresh(part) {
  if (!part.dataset.liveUrl) return;
  if (busy.has(part)) {
    busy.set(part, "again");
    return;
  }
  if (isBeingUsed(part)) {
    part.addEventListener("focusout", () => setTimeout(refresh, 200, part), { once: true });
    return;
  }
  busy.set(part, "running");
  try {
    const answer = await fetch(part.dataset.liveUrl, {
      headers: { "X-Live": "1" },
      redirect: "error",
    });
    if (answer.ok) {
      replace(part, await answer.text());
    }
  } catch {
    // the stream's own error handler tells the person; the next opening fetches everything again
  } finally {
    const again = busy.get(part) === "again";
    busy.delete(part);
    if (again) refresh(part);
  }
}

function replace(part, html) {
  if (!put(part, html)) return;
  part.classList.remove("fresh");
  void part.offsetWidth; // restarts the animation
  part.classList.add("fresh");
  if (window.htmx) window.htmx.process(part);
  document.dispatchEvent(new CustomEvent("xiangyin:fresh", { detail: { part } }));
}

function news(kind) {
  for (const part of parts()) {
    if (part.dataset.live.split(/\s+/).includes(kind)) refresh(part);
  }
  document.dispatchEvent(new CustomEvent("xiangyin:news", { detail: { kind } }));
}

// A page may ask for a part anew without any news: what only time changes.
document.addEventListener("xiangyin:refresh", (event) => refresh(event.detail.part));

// What the stream tells: {news: kind}, {opened: true}, {lost: true} or {signedOut: true}.
function hear(told) {
  if (told.news) news(told.news);
  if (told.opened) {
    parts().forEach(refresh); // news may have passed while nobody listened, also since the page was made
    say("");
  }
  if (told.lost) say(document.body.dataset.lost);
  if (told.signedOut) say(document.body.dataset.signedOut);
}

function tell(told) {
  hear(told);
  tabs?.postMessage(told);
}

async function whyEnded() {
  try {
    const answer = await fetch("/live/check", { redirect: "error" });
    if (answer.status === 401) {
      tell({ signedOut: true });
      return;
    }
  } catch {
    // not reachable: the same as lost
  }
  tell({ lost: true });
  setTimeout(listen, ASK_AGAIN_MS);
}

function listen() {
  const source = new EventSource("/live");
  source.addEventListener("hello", () => {
    clearTimeout(lostTimer);
    lostTimer = 0;
    tell({ opened: true });
  });
  source.addEventListener("news", (event) => tell({ news: event.data }));
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) {
      clearTimeout(lostTimer);
      lostTimer = 0;
      whyEnded();
    } else if (!lostTimer) {
      lostTimer = setTimeout(tell, LOST_AFTER_MS, { lost: true });
    }
  };
}

if (tabs && navigator.locks) {
  tabs.onmessage = (event) => hear(event.data);
  navigator.locks.request("xiangyin-live", () => {
    listen();
    return new Promise(() => {}); // held until this tab goes away; then another one listens
  });
} else {
  listen();
}
