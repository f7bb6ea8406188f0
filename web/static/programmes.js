// Pages of programmes: an upload that shows how far it is, a waveform to listen and cut by.
// Without this script the forms and the browser's own player still work.

// --- sending -----------------------------------------------------------------------------------

for (const form of document.querySelectorAll("form[data-upload]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
}

function send(form) {
  const button = form.querySelector("button");
  const shown = form.querySelector(".sending");
  const bar = shown.querySelector("progress");
  const words = shown.querySelector("span");
  const request = new XMLHttpRequest();
  complain(form, null, "");
  shown.hidden = false;
  button.disabled = true;
  request.open("POST", form.action);
  request.setRequestHeader("X-Upload", "1");
  request.upload.addEventListener("progress", (event) => {
    if (!event.lengthComputable) return;
    bar.value = (100 * event.loaded) / event.total;
    words.textContent = Math.floor(bar.value) + " %";
  });
  request.upload.addEventListener("load", () => {
    words.textContent = form.dataset.textStored;
  });
  const failed = (field, text) => {
    shown.hidden = true;
    button.disabled = false;
    complain(form, field, text);
  };
  request.addEventListener("error", () => failed("file", form.dataset.textLost));
  request.addEventListener("load", () => {
    let answer = {};
    try {
      answer = JSON.parse(request.responseText);
    } catch {
      // a page, not our answer: the status tells what to say
    }
    if (request.status === 201) location.assign(answer.url);
    else if (request.status === 413) failed("file", form.dataset.textLarge);
    else failed(answer.field || "file", answer.detail || form.dataset.textLost);
  });
  request.send(new FormData(form));
}

function complain(form, field, text) {
  for (const old of form.querySelectorAll(".wrong")) old.remove();
  for (const part of form.querySelectorAll("[data-field]")) {
    const isIt = part.dataset.field === field;
    part.classList.toggle("has-error", isIt);
    const input = part.querySelector("input");
    input.removeAttribute("aria-invalid");
    if (!isIt) continue;
    const line = document.createElement("p");
    line.className = "wrong";
    line.setAttribute("role", "alert");
    line.textContent = "⚠ " + text;
    input.before(line);
    input.setAttribute("aria-invalid", "true");
    input.focus();
  }
}

// --- listening ---------------------------------------------------------------------------------

const listening = document.getElementById("listen");
const player = listening?.querySelector("audio");

if (listening) {
  const canvas = listening.querySelector("canvas");
  const peaks = JSON.parse(listening.dataset.peaks);
  const totalS = Number(listening.dataset.durationMs) / 1000;
  if (peaks.length > 0 && totalS > 0) {
    canvas.hidden = false;
    const draw = () => drawWave(canvas, peaks, player.currentTime / totalS);
    canvas.addEventListener("click", (event) => {
      const share = event.offsetX / canvas.clientWidth;
      player.currentTime = share * totalS;
      player.play();
    });
    player.addEventListener("timeupdate", draw);
    player.addEventListener("seeked", draw);
    new ResizeObserver(draw).observe(canvas);
  }
}

function drawWave(canvas, peaks, played) {
  const scale = window.devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * scale);
  const height = Math.round(canvas.clientHeight * scale);
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const pen = canvas.getContext("2d");
  const style = getComputedStyle(document.documentElement);
  pen.clearRect(0, 0, width, height);
  const bars = Math.max(1, Math.min(peaks.length, Math.floor(width / (3 * scale))));
  for (let bar = 0; bar < bars; bar++) {
    const from = Math.floor((bar * peaks.length) / bars);
    const to = Math.max(from + 1, Math.floor(((bar + 1) * peaks.length) / bars));
    const peak = Math.max(...peaks.slice(from, to));
    const tall = Math.max(2 * scale, (peak / 100) * height);
    pen.fillStyle = style.getPropertyValue(bar / bars < played ? "--main" : "--line");
    pen.fillRect((bar * width) / bars, (height - tall) / 2, Math.max(1, width / bars - scale), tall);
  }
}

// --- cutting at the place that plays; with an opening the places would not agree ---------------

const cutting = document.getElementById("cut");
if (cutting && listening?.dataset.plain) {
  const before = Number(listening.dataset.trimStart);
  const originalS = Number(listening.dataset.originalMs) / 1000;
  const set = (name, seconds) => {
    cutting.querySelector(`[name="${name}"]`).value = Math.max(0, seconds).toFixed(1);
  };
  for (const button of cutting.querySelectorAll("[data-cut]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const place = before + player.currentTime;
      if (button.dataset.cut === "start") set("trim_start", place);
      else set("trim_end", originalS - place);
    });
  }
}

// --- a state that changed changes what can be done: show the whole page anew --------------------

document.addEventListener("xiangyin:fresh", (event) => {
  const part = event.detail.part;
  const now = part.querySelector("[data-state]")?.dataset.state;
  if (part.id !== "state" || !now || now === part.dataset.state) return;
  const reload = () => location.reload();
  if (player && !player.paused) player.addEventListener("pause", reload, { once: true });
  else reload();
});
