"""Sound at a wall instant on a device whose "next sample is heard at" is known."""

from __future__ import annotations

import mmap
import statistics
from collections import deque

import numpy as np

from edge import blocks, volume
from edge.blocks import FloatArray
from edge.cache import Pcm
from edge.clock import Timeline

# The rate servo: measured with two clocks 100 ppm apart, the skew stayed within 2 ms (p95).
_PROPORTIONAL = 0.1
_INTEGRAL = 0.0025
_LARGEST_DEVIATION = 1500e-6
_WINDOW_BLOCKS = 50
_SETTLE_BLOCKS = 50  # what a card that was just opened says of its delay was 0.3 s wrong at first
_TRUSTED_BLOCKS = 10
_SEEK_S = 0.04  # beyond this the device has lost samples, and following slowly would only blur it
_KEPT_S = 10.0  # of what was heard: a long play must not fill the memory


class Follower:
    """Gives a sink its blocks: near-silence, then the clip, resampled to keep time.

    ``start_at_s``: wall seconds. ``cap``: 0-1, the loudest sample that leaves; ``share``: 0-1,
    how loud below it. ``from_s``: where in the clip it begins.
    ``first_frame`` / ``last_frame``: device frames at which the sound began and ended.
    ``lost_s``: seconds of the clip that nobody heard because the device was away.
    """

    def __init__(
        self,
        pcm: Pcm,
        start_at_s: float,
        timeline: Timeline,
        cap: float,
        share: float = 1.0,
        from_s: float = 0.0,
    ) -> None:
        self.rate_hz = pcm.rate_hz
        self._from_s = min(from_s, len(pcm.samples) / pcm.rate_hz)
        self._samples = pcm.samples[round(self._from_s * pcm.rate_hz) :]
        self._start_at_s = start_at_s
        self._timeline = timeline
        self._cap, self._peak = cap, pcm.peak
        self._target = volume.gain(cap, pcm.peak, share)
        self._level = 0.0 if from_s > 0 else self._target
        self._near_silence = blocks.NearSilence()
        self._offsets: deque[float] = deque(maxlen=_WINDOW_BLOCKS)
        self._position: float | None = None
        self._slope = self._integral = 0.0
        self._hushed = False
        self._settling_blocks = 0
        self._squares, self._heard_samples = 0.0, 0
        self._let_go_at = _KEPT_S * pcm.rate_hz
        self.gain = self._target
        self.lost_s = 0.0
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

    @property
    def left_s(self) -> float | None:
        """How much of the clip is still to be handed over; None before its first sample."""
        position = self._position
        return None if position is None else (len(self._samples) - position) / self.rate_hz

    @property
    def started_s(self) -> float:
        """Wall second of the first sample, as planned, or as late as it came."""
        return self._start_at_s

    @property
    def mostly_lost(self) -> bool:
        """Whether more than half of it was lost: that was no play."""
        return self.lost_s * self.rate_hz > len(self._samples) / 2

    @property
    def silent(self) -> bool:
        """Whether it was hushed and the sound has died away."""
        return self._hushed and (self._level == 0.0 or not self.begun)

    @property
    def loudness_dbfs(self) -> float | None:
        """Of the clip's samples handed over, after volume: see ``volume.dbfs``."""
        return volume.dbfs(self._squares, self._heard_samples)

    def set_share(self, share: float) -> None:
        """Another loudness from now on, reached without a jump."""
        if not self._hushed:
            self._target = volume.gain(self._cap, self._peak, share)

    def hush(self) -> None:
        """Die away, for good."""
        self._hushed, self._target = True, 0.0

    def reopened(self, slope: float = 0.0) -> None:
        """The device was opened just now: its frames count from 0, and for a second nothing
        sounds, until its time stamps can be trusted. Then the clip goes on by the clock.

        ``slope``: by how much a second of its frames is expected to last longer than a second.
        """
        self._slope = self._integral = slope
        self._offsets.clear()
        self._settling_blocks = _SETTLE_BLOCKS
        if self.begun:
            self._level = 0.0

    def reached_s(self, mono_s: float) -> float | None:
        """How much of the clip was heard at that instant; None before its first sample."""
        if not self.begun:
            return None
        since_s = self._timeline.wall_s(mono_s) - self._start_at_s
        length_s = len(self._samples) / self.rate_hz
        return self._from_s + min(max(0.0, since_s), length_s)

    def block(self, frames: int, first: int, heard_at_s: float) -> FloatArray:
        """``frames`` samples (-1 to 1), of which device frame ``first`` is heard at monotonic
        ``heard_at_s``."""
        self._offsets.append(heard_at_s - first / self.rate_hz)
        if self._settling_blocks:
            self._settling_blocks -= 1
            if self._settling_blocks == _TRUSTED_BLOCKS:
                self._offsets.clear()
            return self._near_silence.block(frames)
        heard_s = first / self.rate_hz + statistics.median(self._offsets)
        wanted = (self._timeline.wall_s(heard_s) - self._start_at_s) * self.rate_hz
        out = self._near_silence.block(frames)
        if self.done or self.silent or (self._position is None and wanted + frames <= 0):
            return out
        ratio = self._follow(wanted, frames, first)
        assert self._position is not None
        positions = self._position + np.arange(frames) * ratio
        self._position += frames * ratio
        low, high = max(0, int(positions[0])), min(len(self._samples), int(positions[-1]) + 2)
        if high > low:
            piece = self._samples[low:high].astype(np.float32) * np.float32(1 / 32768)
            inside = (positions >= 0) & (positions < len(self._samples))
            sound = np.interp(positions[inside], np.arange(low, high), piece)
            gains = blocks.gains(self._level, self._target, frames, self.rate_hz)
            self._level = float(gains[-1])
            sound *= gains[inside]
            out[inside] = sound
            self._squares += float(np.dot(sound, sound))
            self._heard_samples += len(sound)
        if self._position > self._let_go_at:
            self._let_go()
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
            self._seek(wanted)
            error_s = 0.0
        limit = _LARGEST_DEVIATION
        self._integral += _INTEGRAL * error_s * frames / self.rate_hz
        self._integral = float(np.clip(self._integral, -limit, limit))
        return 1 + float(np.clip(_PROPORTIONAL * error_s + self._integral, -limit, limit))

    def _seek(self, wanted: float) -> None:
        assert self._position is not None
        left_s = max(0.0, (len(self._samples) - self._position) / self.rate_hz)
        self.lost_s += min(max(0.0, (wanted - self._position) / self.rate_hz), left_s)
        self._position, self._integral = wanted, self._slope

    def _let_go(self) -> None:
        """Give back the memory of what was heard, where the sound is read from a file."""
        assert self._position is not None
        self._let_go_at = self._position + _KEPT_S * self.rate_hz
        mapped = getattr(self._samples, "_mmap", None)
        if isinstance(mapped, mmap.mmap):
            heard_bytes = int((self._from_s * self.rate_hz + self._position) * 2)
            whole_pages = min(heard_bytes, len(mapped)) // mmap.PAGESIZE * mmap.PAGESIZE
            if whole_pages > 0:
                mapped.madvise(mmap.MADV_DONTNEED, 0, whole_pages)
