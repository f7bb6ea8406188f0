"""Telephone sound for models that take 16 kHz only: twice the samples, live as from the file.

Between two samples stands one more, by a windowed sinc (Kaiser, beta 8) over 64 samples: what lies
above 4 kHz stays more than 60 dB below. The arithmetic is of whole numbers, so the result never
depends on the pieces in which the sound came; ffmpeg's resampler does not promise that.
"""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HALF = 32
"""Samples on either side of a new one."""

_ONE = 1 << 15
_PIECE_FRAMES = 1 << 16
Samples = NDArray[np.int64]


def _weights() -> Samples:
    places = np.arange(-HALF, HALF) + 0.5
    curve = np.sinc(places) * np.kaiser(2 * HALF, 8.0)
    whole: Samples = np.round(curve / curve.sum() * _ONE).astype(np.int64)
    return whole


_WEIGHTS = _weights()


class Widening:
    """PCM16LE mono of one rate to twice that rate, in pieces of any whole number of samples."""

    def __init__(self) -> None:
        self._held: Samples = np.zeros(HALF - 1, np.int64)

    def add(self, pcm: bytes) -> bytes:
        """What can be said so far: it stays ``HALF`` samples behind."""
        return self._take(np.frombuffer(pcm, "<i2").astype(np.int64))

    def rest(self) -> bytes:
        """The end of the sound; all together is exactly twice as many samples as came in."""
        return self._take(np.zeros(HALF, np.int64))

    def _take(self, more: Samples) -> bytes:
        self._held = np.concatenate([self._held, more])
        count = len(self._held) - 2 * HALF + 1
        if count <= 0:
            return b""
        between = (np.convolve(self._held, _WEIGHTS, "valid") + _ONE // 2) // _ONE
        wide = np.empty(2 * count, np.int64)
        wide[::2] = self._held[HALF - 1 : HALF - 1 + count]
        wide[1::2] = between
        self._held = self._held[count:]
        return np.clip(wide, -32_768, 32_767).astype("<i2").tobytes()


def widen(source: Path, target: Path) -> None:
    """Write the PCM16 mono WAV file ``source`` at twice its rate."""
    widening = Widening()
    with wave.open(str(source), "rb") as narrow, wave.open(str(target), "wb") as wide:
        wide.setparams((1, 2, 2 * narrow.getframerate(), 0, "NONE", ""))
        while frames := narrow.readframes(_PIECE_FRAMES):
            wide.writeframes(widening.add(frames))
        wide.writeframes(widening.rest())
