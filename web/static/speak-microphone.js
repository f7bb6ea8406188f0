// The microphone as 16-bit samples at 16 kHz.

const RATE = 16000;

export class Microphone {
  // heard(Int16Array), gone(): the device went away.
  constructor(worklet, heard, gone) {
    this.worklet = worklet;
    this.heard = heard;
    this.gone = gone;
    this.at = 0; // position of the next output sample between two input samples
    this.last = 0;
  }

  async open() {
    this.stream = await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: false, noiseSuppression: true, autoGainControl: true },
    });
    this.stream.getAudioTracks()[0].addEventListener("ended", () => this.gone());
    this.context = new (window.AudioContext || window.webkitAudioContext)({ latencyHint: "interactive" });
    await this.context.resume();
    let end = this.context.createMediaStreamSource(this.stream);
    for (let stage = 0; stage < 2; stage += 1) { // what lies above 8 kHz would fold down
      const low = this.context.createBiquadFilter();
      low.type = "lowpass";
      low.frequency.value = 7000;
      end.connect(low);
      end = low;
    }
    try {
      await this.context.audioWorklet.addModule(this.worklet);
      const tap = new AudioWorkletNode(this.context, "tap", { numberOfOutputs: 0 });
      tap.port.onmessage = (event) => this.take(event.data);
      end.connect(tap);
      this.way = "worklet";
    } catch { // old browsers, or a proxy that changed our address
      const tap = this.context.createScriptProcessor(2048, 1, 1);
      tap.onaudioprocess = (event) => this.take(event.inputBuffer.getChannelData(0));
      end.connect(tap);
      tap.connect(this.context.destination);
      this.way = "script";
    }
  }

  take(samples) {
    const step = this.context.sampleRate / RATE;
    const out = [];
    let at = this.at;
    while (at < samples.length) {
      const index = Math.floor(at);
      const before = index === 0 ? this.last : samples[index - 1];
      const value = before + (samples[index] - before) * (at - index);
      out.push(Math.max(-32768, Math.min(32767, Math.round(value * 32767))));
      at += step;
    }
    this.at = at - samples.length;
    this.last = samples[samples.length - 1];
    this.heard(Int16Array.from(out));
  }

  close() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.context?.close();
  }
}

// 0-100 for the meter: -60 dB to 0 dB.
export function level(samples) {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const db = 10 * Math.log10(sum / Math.max(1, samples.length) / 32768 ** 2 + 1e-9);
  return Math.max(0, Math.min(100, ((db + 60) / 60) * 100));
}
