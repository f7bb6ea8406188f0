// Drafts: saved a moment after the last key, kept in this browser until the server has them.

const PAUSE_MS = 900;
const RETRY_MS = 4000;
const FIELDS = ["text", "title", "summary", "dialect"];

const SENT = "xiangyin-sent";

// A form that was sent and is not shown again has arrived: its copy here is needed no longer.
function forgetArrived(shown) {
  try {
    const sent = sessionStorage.getItem(SENT);
    if (sent && sent !== shown) localStorage.removeItem(sent);
    sessionStorage.removeItem(SENT);
  } catch {
    // no store, nothing kept
  }
}

export function watchDraft() {
  const form = document.getElementById("review");
  const key = form ? "xiangyin-draft:" + form.dataset.who + ":" + form.dataset.report : "";
  forgetArrived(key);
  if (!form) return null;
  const state = document.getElementById("draft");
  const version = form.elements.namedItem("version");
  let timer = 0;
  let saving = false;
  let dirty = false;
  let refused = false;

  const read = () => Object.fromEntries(FIELDS.map((name) => [name, form.elements.namedItem(name).value]));
  const write = (fields) => {
    for (const name of FIELDS) if (name in fields) form.elements.namedItem(name).value = fields[name];
  };
  const keep = () => {
    try {
      localStorage.setItem(key, JSON.stringify(read()));
    } catch {
      // a full or forbidden store: the server's copy must do
    }
  };
  const forget = () => {
    try {
      localStorage.removeItem(key);
    } catch {
      // nothing was kept
    }
  };

  async function save() {
    if (saving || refused || !dirty) return;
    saving = true;
    dirty = false;
    state.textContent = form.dataset.textSaving;
    try {
      const answer = await fetch("/reports/" + form.dataset.report + "/draft", {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRF-Token": form.dataset.csrf },
        body: JSON.stringify({ version: Number(version.value), ...read() }),
        redirect: "error",
      });
      const body = await answer.json();
      if (answer.ok) {
        version.value = body.version;
        if (!dirty) forget();
        state.textContent = form.dataset.textSaved;
      } else {
        refused = answer.status < 500;
        dirty = true;
        state.textContent = "⚠ " + body.detail;
        state.className = "banner bad";
      }
    } catch {
      dirty = true;
      state.textContent = form.dataset.textOffline;
    }
    saving = false;
    if (dirty && !refused) timer = setTimeout(save, RETRY_MS);
  }

  function changed(event) {
    if (!FIELDS.includes(event.target.name)) return;
    dirty = true;
    keep();
    clearTimeout(timer);
    timer = setTimeout(save, PAUSE_MS);
  }

  function offerKept() {
    let kept = null;
    try {
      kept = JSON.parse(localStorage.getItem(key) || "null");
    } catch {
      forget();
    }
    if (!kept || form.dataset.typed === "yes") return;
    const now = read();
    if (FIELDS.every((name) => (kept[name] || "") === now[name])) {
      forget();
      return;
    }
    const box = document.getElementById("restore");
    document.getElementById("kept").textContent = FIELDS.map((name) => kept[name]).filter(Boolean).join(" · ");
    box.hidden = false;
    document.getElementById("take").addEventListener("click", () => {
      write(kept);
      box.hidden = true;
      dirty = true;
      save();
    });
    document.getElementById("drop").addEventListener("click", () => {
      forget();
      box.hidden = true;
    });
  }

  // The machine's words came while the page was open: they are what a correction starts from.
  function takeWords() {
    const machine = document.getElementById("machine");
    const base = form.elements.namedItem("base_version");
    const text = form.elements.namedItem("text");
    if (!machine || base.value !== "") return;
    base.value = machine.dataset.version;
    if (text.value === "") text.value = machine.dataset.text;
  }

  document.addEventListener("xiangyin:fresh", takeWords);
  form.addEventListener("input", changed);
  addEventListener("beforeunload", (event) => {
    if (dirty && !form.dataset.sent) event.preventDefault();
  });
  offerKept();

  return {
    isSaving: () => saving,
    sent() {
      clearTimeout(timer);
      refused = true; // the form itself carries everything now
      keep();
      try {
        sessionStorage.setItem(SENT, key);
      } catch {
        // without a store nothing is kept
      }
    },
  };
}
