// Records an answer in the browser and puts it into the form's file field.
// Without a microphone or this script a file or a text does the same.

const LONGEST_S = 175; // the server takes three minutes

for (const form of document.querySelectorAll("form[data-recorder]")) {
  if (navigator.mediaDevices?.getUserMedia && window.MediaRecorder) offer(form);
}

function offer(form) {
  const box = form.querySelector(".recorder");
  const button = box.querySelector("[data-record]");
  const clock = box.querySelector(".clock");
  const player = box.querySelector("audio");
  const file = form.querySelector("#r-file");
  let recorder = null;
  let sendAfter = false;
  box.hidden = false;

  button.addEventListener("click", () => (recorder ? recorder.stop() : start()));
  form.addEventListener("submit", (event) => {
    if (!recorder) return;
    event.preventDefault(); // what is being spoken goes with it
    event.stopImmediatePropagation();
    sendAfter = true;
    recorder.stop();
  });

  async function start() {
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch {
      clock.textContent = form.dataset.textRefused;
      return;
    }
    const parts = [];
    const begun = Date.now();
    const mine = new MediaRecorder(stream);
    const ticking = setInterval(() => {
      const seconds = Math.floor((Date.now() - begun) / 1000);
      clock.textContent = Math.floor(seconds / 60) + ":" + String(seconds % 60).padStart(2, "0");
      if (seconds >= LONGEST_S && recorder) mine.stop();
    }, 250);
    recorder = mine;
    mine.addEventListener("dataavailable", (event) => parts.push(event.data));
    mine.addEventListener("stop", () => {
      clearInterval(ticking);
      for (const track of stream.getTracks()) track.stop();
      recorder = null;
      keep(new Blob(parts, { type: mine.mimeType }));
      if (sendAfter) form.requestSubmit(form.querySelector("button:not([type=button])"));
    });
    mine.start(1000);
    player.hidden = true;
    button.textContent = "■ " + form.dataset.textStop;
  }

  function keep(sound) {
    const ending = sound.type.includes("mp4") ? "m4a" : "webm";
    const chosen = new DataTransfer();
    chosen.items.add(new File([sound], "answer." + ending, { type: sound.type }));
    file.files = chosen.files;
    if (player.src) URL.revokeObjectURL(player.src);
    player.src = URL.createObjectURL(sound);
    player.hidden = false;
    button.textContent = "● " + form.dataset.textAgain;
  }
}
