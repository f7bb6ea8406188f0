// Keeps parts of a page fresh. An element says what it waits for and where its content lives:
//   <section data-live="report.changed report.received" data-live-url="/reports/list">…</section>
// News carries no content: the part is fetched again, with this person's rights. Other scripts may
// listen: document.addEventListener("xiangyin:news", (event) => event.detail.kind).

const parts = () => [...document.querySelectorAll("[data-live]")];
const banner = document.getElementById("connection");
const busy = new WeakMap(); // part -> "running" | "again"
let lostTimer = 0;
let wasOpen = false;

function say(text) {
  clearTimeout(lostTimer);
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
  if (part.dataset.liveText === html) return;
  part.dataset.liveText = "";
  part.innerHTML = html;
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

async function whyEnded() {
  try {
    const answer = await fetch("/live/check", { redirect: "error" });
    if (answer.status === 401) {
      say(document.body.dataset.signedOut);
      return;
    }
  } catch {
    // not reachable: the same as lost
  }
  say(document.body.dataset.lost);
  setTimeout(listen, 5000);
}

function listen() {
  const kinds = new Set(parts().flatMap((part) => part.dataset.live.split(/\s+/)));
  for (const kind of (document.body.dataset.news || "").split(/\s+/)) kinds.add(kind);
  kinds.delete("");
  if (kinds.size === 0) return;
  const source = new EventSource("/live?kinds=" + [...kinds].join(","));
  source.addEventListener("hello", () => {
    if (wasOpen) parts().forEach(refresh); // news may have passed while we were away
    wasOpen = true;
    say("");
  });
  source.addEventListener("news", (event) => news(event.data));
  source.onerror = () => {
    clearTimeout(lostTimer);
    if (source.readyState === EventSource.CLOSED) {
      whyEnded();
    } else {
      lostTimer = setTimeout(say, 4000, document.body.dataset.lost);
    }
  };
  addEventListener("pagehide", () => source.close(), { once: true });
}

addEventListener("pageshow", (event) => {
  if (event.persisted) listen();
});
listen();
