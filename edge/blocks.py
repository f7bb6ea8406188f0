"""What sources of sound do to their blocks: near-silence below it, and loudness without a jump."""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

_NOISE = 10 ** (-90 / 20)  # keeps the amplifier awake where digital zero would not
_RAMP_S = 0.05  # from silence to full loudness: what begins or ends in mid-sound must not click


def _hiss() -> FloatArray:
    """Noise without numpy's generators, which a small box would keep 6 MB of memory for."""
    count = 1 << 14
    dice = np.frombuffer(random.Random(0).randbytes(2 * count), dtype="<i2")
    return (dice * (_NOISE / 32768)).astype(np.float32)


_HISS = _hiss()


class NearSilence:
    """Noise that nobody hears, one block after the other."""

    def __init__(self) -> None:
        self._at = 0

    def block(self, frames: int) -> FloatArray:
        """The next ``frames`` samples."""
        places = (self._at + np.arange(frames)) % len(_HISS)
        self._at = (self._at + frames) % len(_HISS)
        return _HISS[places]


def gains(level: float, target: float, frames: int, rate_hz: int) -> NDArray[np.float64]:
    """The gain of each sample of a block that comes from ``level``: at its target, or on the way
    to it."""
    if level == target:
        return np.full(frames, level)
    step = np.arange(1, frames + 1) / (_RAMP_S * rate_hz)
    if target > level:
        return np.minimum(level + step, target)
    return np.maximum(level - step, target)
