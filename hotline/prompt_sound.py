"""The sound of one prompt: spoken by the machine, converted from a recording, or generated."""

from __future__ import annotations

import math
import tempfile
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.errors import N_, ToolFailed

RATE_HZ = 8000
BEEP_HZ, BEEP_MS, PAUSE_MS = 880, 350, 450
PEAK = 0.7
_QUIET = 0.01
_EDGE_MS = 60
Samples = npt.NDArray[np.int16]


def wav_bytes(pcm: bytes) -> bytes:
    """A WAV file around signed 16-bit little-endian mono PCM at 8 kHz."""
    header = b"RIFF" + (36 + len(pcm)).to_bytes(4, "little") + b"WAVEfmt "
    header += (16).to_bytes(4, "little") + (1).to_bytes(2, "little") + (1).to_bytes(2, "little")
    header += RATE_HZ.to_bytes(4, "little") + (RATE_HZ * 2).to_bytes(4, "little")
    header += (2).to_bytes(2, "little") + (16).to_bytes(2, "little")
    return header + b"data" + len(pcm).to_bytes(4, "little") + pcm


def spoken(text: str, rate_wpm: int, voice: str) -> Samples:
    """The machine's voice, without silence at the ends, as loud as all prompts."""
    from recordings import speech

    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "spoken.wav"
        speech.render(text, wav, rate_wpm=rate_wpm, voice=voice)
        return _levelled(_trimmed(at_8_khz(wav)))


def at_8_khz(source: Path) -> Samples:
    """Any sound file as the telephone needs it."""
    from recordings import sound

    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "8k.wav"
        sound.to_wav(source, wav, rate_hz=RATE_HZ, max_s=60)
        with wave.open(str(wav), "rb") as opened:
            return np.frombuffer(opened.readframes(opened.getnframes()), dtype="<i2")


def _trimmed(samples: Samples) -> Samples:
    """Without the silence at both ends, except for a short edge."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > _QUIET * 32768)
    if loud.size == 0:
        raise ToolFailed(N_("The machine's voice stayed silent."))
    edge = RATE_HZ * _EDGE_MS // 1000
    return samples[max(0, loud[0] - edge) : loud[-1] + edge]


def _levelled(samples: Samples) -> Samples:
    gain = PEAK * 32767 / max(1, int(np.abs(samples.astype(np.int32)).max()))
    return (samples * gain).astype("<i2")


def silence(rate_hz: int = RATE_HZ) -> Samples:
    """The pause between groups of digits, and between takes that are joined."""
    return np.zeros(rate_hz * PAUSE_MS // 1000, dtype="<i2")


def beep(rate_hz: int = RATE_HZ) -> Samples:
    """The tone after which the caller speaks, and that parts joined takes."""
    at_s = np.arange(rate_hz * BEEP_MS // 1000) / rate_hz
    fade = np.minimum(1.0, np.minimum(at_s, at_s[::-1]) / 0.01)
    return (np.sin(2 * math.pi * BEEP_HZ * at_s) * fade * PEAK * 0.5 * 32767).astype("<i2")
