"""Telephone sound (8 kHz) at twice its rate, piece by piece, without seams."""

from __future__ import annotations

import numpy as np

TAPS = 16
"""Samples of the old rate a new one is made of; half of them (1 ms) lie in the future."""


def _between() -> np.ndarray:
    """Weights of the sample halfway between two: a windowed sinc, 1 in sum."""
    at = np.arange(TAPS) - (TAPS - 1) / 2
    weights = np.sinc(at) * np.kaiser(TAPS, 6.0)
    return np.asarray(weights / weights.sum())


_BETWEEN = _between()


class Doubler:
    """Goes on where the last piece ended; everything comes out 1 ms later than it went in."""

    def __init__(self) -> None:
        self._before = np.zeros(TAPS - 1)

    def run(self, pcm: bytes) -> bytes:
        """16-bit samples at 8 kHz to twice as many at 16 kHz; an odd byte at the end is dropped."""
        samples = np.frombuffer(pcm[: len(pcm) & ~1], "<i2")
        joined = np.concatenate((self._before, samples))
        self._before = joined[len(joined) - (TAPS - 1) :]
        out = np.empty(2 * len(samples))
        out[0::2] = joined[TAPS // 2 - 1 :][: len(samples)]
        out[1::2] = np.convolve(joined, _BETWEEN, "valid")
        return bytes(np.clip(np.rint(out), -32768, 32767).astype("<i2").tobytes())
