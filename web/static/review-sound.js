// The recording: a waveform drawn from stored peaks, seeking, speed, and what was really heard.

const STEP_S = 0.05; // grain of "heard": short enough that skipping shows, long enough to be cheap

function clock(seconds) {
  const whole = Math.floor(seconds);
  return Math.floor(whole / 60) + ":" + String(whole % 60).padStart(2, "0");
}

export function watchSound() {
  const player = document.getElementById("player");
  if (!player) return null;
  const audio = document.getElementById("sound");
  const wave = document.getElementById("wave");
  const canvas = wave.querySelector("canvas");
  const speed = document.getElementById("speed");
  const peaks = JSON.parse(player.dataset.peaks);
  const duration = () => Number(player.dataset.durationMs) / 1000 || audio.duration || 0;
  let told = player.dataset.heard === "yes";
  let telling = false;

  function heardSeconds() {
    let sum = 0;
    for (let i = 0; i < audio.played.length; i += 1) sum += audio.played.end(i) - audio.played.start(i);
    return sum;
  }

  function draw() {
    const width = wave.clientWidth;
    const height = 72;
    const scale = window.devicePixelRatio || 1;
    if (canvas.width !== width * scale) {
      canvas.width = width * scale;
      canvas.height = height * scale;
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    const total = duration() || 1;
    pen.fillStyle = "#e3f4ea";
    for (let i = 0; i < audio.played.length; i += 1) {
      const from = (audio.played.start(i) / total) * width;
      pen.fillRect(from, 0, (audio.played.end(i) / total) * width - from, height);
    }
    const here = (audio.currentTime / total) * width;
    const bars = peaks.length || 1;
    for (let i = 0; i < peaks.length; i += 1) {
      const x = (i / bars) * width;
      const tall = Math.max(2, (peaks[i] / 100) * (height - 6));
      pen.fillStyle = x < here ? "#0b4f6c" : "#8aa3b0";
      pen.fillRect(x, (height - tall) / 2, Math.max(1, width / bars - 1), tall);
    }
    pen.fillStyle = "#a11620";
    pen.fillRect(here, 0, 2, height);
  }

  function markWord() {
    const now = audio.currentTime * 1000;
    for (const word of document.querySelectorAll(".word[data-start]")) {
      const current = now >= Number(word.dataset.start) && now < Number(word.dataset.end);
      if (current) word.setAttribute("aria-current", "true");
      else word.removeAttribute("aria-current");
    }
  }

  async function tellHeard() {
    if (told || telling) return;
    telling = true;
    try {
      const answer = await fetch("/reports/" + player.dataset.report + "/heard", {
        method: "POST",
        headers: { "X-CSRF-Token": player.dataset.csrf },
      });
      told = answer.ok;
    } catch {
      // tried again at the next end of the sound
    }
    telling = false;
    if (told) document.getElementById("unheard")?.remove();
    show();
  }

  function show() {
    document.getElementById("clock").textContent = clock(audio.currentTime);
    wave.setAttribute("aria-valuenow", String(Math.round(audio.currentTime)));
    wave.setAttribute("aria-valuetext", clock(audio.currentTime));
    const percent = Math.min(100, Math.round((heardSeconds() / (duration() || 1)) * 100));
    const text = told ? player.dataset.textHeard : player.dataset.textPart.replace("PERCENT", percent);
    const place = document.getElementById("heard");
    if (place.textContent !== text && (told || percent % 10 === 0)) place.textContent = text;
    draw();
    markWord();
  }

  function checkHeard() {
    const missing = duration() - heardSeconds();
    if (missing <= Math.max(0.4, duration() * 0.03)) tellHeard();
  }

  function seek(seconds) {
    audio.currentTime = Math.max(0, Math.min(seconds, duration() - STEP_S));
    show();
  }

  async function play() {
    try {
      await audio.play();
    } catch {
      if (audio.error) broken();
    }
  }

  function broken() {
    document.getElementById("heard").textContent = "⚠ " + player.dataset.textBroken;
    document.getElementById("unheard")?.setAttribute("open", "");
  }

  function seekTo(word) {
    seek(Number(word.dataset.start) / 1000);
    play();
  }

  const self = {
    toggle: () => (audio.paused ? play() : audio.pause()),
    now: () => audio.currentTime,
    hear(start_ms) {
      seek(start_ms / 1000);
      play();
    },
    jump: (seconds) => seek(audio.currentTime + seconds),
    nextSpeed() {
      speed.selectedIndex = (speed.selectedIndex + 1) % speed.options.length;
      speed.dispatchEvent(new Event("change"));
    },
    nextDoubt() {
      const now = audio.currentTime * 1000 + 50;
      const doubts = [...document.querySelectorAll(".word.doubtful")].filter((word) => !word.closest(".raw"));
      const next = doubts.find((word) => Number(word.dataset.start) > now) || doubts[0];
      if (!next) return;
      next.closest("details")?.setAttribute("open", "");
      next.scrollIntoView({ block: "nearest" });
      seekTo(next);
    },
  };

  document.getElementById("play").addEventListener("click", self.toggle);
  document.getElementById("back").addEventListener("click", () => self.jump(-3));
  document.getElementById("doubt").addEventListener("click", self.nextDoubt);
  speed.addEventListener("change", () => {
    audio.playbackRate = Number(speed.value);
    audio.defaultPlaybackRate = Number(speed.value);
  });
  document.getElementById("words").addEventListener("click", (event) => {
    const word = event.target.closest(".word[data-start]");
    if (word) seekTo(word);
  });
  wave.addEventListener("click", (event) => {
    const box = wave.getBoundingClientRect();
    seek(((event.clientX - box.left) / box.width) * duration());
  });
  wave.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const jumps = { ArrowLeft: -3, ArrowRight: 3, Home: -1e9, End: 1e9 };
    if (!(event.key in jumps)) return;
    event.preventDefault();
    event.stopPropagation();
    self.jump(jumps[event.key]);
  });
  audio.addEventListener("timeupdate", () => {
    show();
    if (audio.currentTime > duration() - 0.5) checkHeard();
  });
  audio.addEventListener("ended", checkHeard);
  audio.addEventListener("pause", show);
  audio.addEventListener("error", broken);
  addEventListener("resize", draw);
  show();
  return self;
}
