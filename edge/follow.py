"""Sound at a wall instant on a device whose "next sample is heard at" is known."""

from __future__ import annotations

import statistics
from collections import deque

import numpy as np
from numpy.typing import NDArray

from edge.cache import Pcm
from edge.clock import Timeline

FloatArray = NDArray[np.float32]

# The rate servo: measured with two clocks 100 ppm apart, the skew stayed within 2 ms (p95).
_PROPORTIONAL = 0.1
_INTEGRAL = 0.0025
_LARGEST_DEVIATION = 1500e-6
_WINDOW_BLOCKS = 50
_SEEK_S = 0.04  # beyond this the device has lost samples, and following slowly would only blur it
_NOISE = 10 ** (-90 / 20)  # keeps the amplifier awake where digital zero would not


class Follower:
    """Gives a sink its blocks: near-silence, then the clip from its start, resampled to keep time.

    ``start_at_s``: wall seconds. ``volume_cap``: 0-1, the loudest sample that leaves.
    ``first_frame`` / ``last_frame``: device frames at which the clip began and ended.
    """

    def __init__(self, pcm: Pcm, start_at_s: float, timeline: Timeline, volume_cap: float) -> None:
        self.rate_hz = pcm.rate_hz
        self._samples = pcm.samples
        self._start_at_s = start_at_s
        self._timeline = timeline
        self._gain = min(1.0, volume_cap / pcm.peak) / 32768 if pcm.peak > 0 else 0.0
        self._noise = np.random.default_rng(0)
        self._offsets: deque[float] = deque(maxlen=_WINDOW_BLOCKS)
        self._position: float | None = None
        self._integral = 0.0
        self.first_frame: float | None = None
        self.last_frame: float | None = None

    @property
    def begun(self) -> bool:
        """Whether the first sample of the clip has been handed over."""
        return self.first_frame is not None

    @property
    def done(self) -> bool:
        """Whether the last sample of the clip has been handed over."""
        return self.last_frame is not None

    def block(self, frames: int, first: int, heard_at_s: float) -> FloatArray:
        """``frames`` samples (-1 to 1), of which device frame ``first`` is heard at monotonic
        ``heard_at_s``."""
        self._offsets.append(heard_at_s - first / self.rate_hz)
        heard_s = first / self.rate_hz + statistics.median(self._offsets)
        wanted = (self._timeline.wall_s(heard_s) - self._start_at_s) * self.rate_hz
        out = self._near_silence(frames)
        if self.done or (self._position is None and wanted + frames <= 0):
            return out
        ratio = self._follow(wanted, frames, first)
        assert self._position is not None
        positions = self._position + np.arange(frames) * ratio
        self._position += frames * ratio
        low, high = max(0, int(positions[0])), min(len(self._samples), int(positions[-1]) + 2)
        if high > low:
            piece = self._samples[low:high].astype(np.float32) * np.float32(self._gain)
            inside = (positions >= 0) & (positions < len(self._samples))
            out[inside] = np.interp(positions[inside], np.arange(low, high), piece)
        if self._position >= len(self._samples):
            self.last_frame = first + (len(self._samples) - positions[0]) / ratio
        return out

    def _follow(self, wanted: float, frames: int, first: int) -> float:
        if self._position is None:
            if wanted > 0:  # late already: never skip the beginning, move the start instead
                self._start_at_s += wanted / self.rate_hz
                wanted = 0.0
            self._position = wanted
            self.first_frame = first - wanted
            self._timeline.freeze()
            return 1.0
        error_s = (wanted - self._position) / self.rate_hz
        if abs(error_s) > _SEEK_S:
            self._position, self._integral, error_s = wanted, 0.0, 0.0
        limit = _LARGEST_DEVIATION
        self._integral += _INTEGRAL * error_s * frames / self.rate_hz
        self._integral = float(np.clip(self._integral, -limit, limit))
        return 1 + float(np.clip(_PROPORTIONAL * error_s + self._integral, -limit, limit))

    def _near_silence(self, frames: int) -> FloatArray:
        return self._noise.uniform(-_NOISE, _NOISE, frames).astype(np.float32)
