"""Live speech on its way to the horn: a small buffer against the net's jitter, and the chime."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from edge import blocks
from edge.blocks import FloatArray

IN_RATE_HZ = 16_000
OUT_RATE_HZ = 48_000
FIRST_TARGET_MS = 400
LARGEST_TARGET_MS = 1000
_TARGET_STEP_MS = 100
_SPARE_MS = 400  # so much more than wanted is still played; beyond it we jump to the present
_CALM_MS = 60_000  # after so much speech without a hole less is held back
_LONGEST_GAP_MS = 60_000
_EDGE = 80  # samples over which sound fades in and out around a hole
_PER_MS = IN_RATE_HZ // 1000


def _table() -> FloatArray:
    code = ~np.arange(256) & 0xFF
    exponent, mantissa = code >> 4 & 7, code & 15
    value = (((mantissa << 3) + 0x84) << exponent) - 0x84
    return (np.where(code & 0x80, -value, value) / 32768).astype(np.float32)


_MU_LAW = _table()


def decode(sound: bytes) -> FloatArray:
    """Mu-law bytes as samples between -1 and 1."""
    return _MU_LAW[np.frombuffer(sound, np.uint8)]


class JitterBuffer:
    """Speech that has arrived and was not heard yet. Safe for two threads.

    ``lost_ms``: speech that was said while we listened and will never sound.
    """

    def __init__(self) -> None:
        self.target_ms = FIRST_TARGET_MS
        self.lost_ms = 0
        self.begun = False
        self._lock = threading.Lock()
        self._held = np.zeros(0, np.float32)
        self._next_ms: int | None = None
        self._filling = True
        self._finishing = False
        self._calm_ms = 0.0

    @property
    def held_ms(self) -> float:
        """How much waits."""
        return len(self._held) / _PER_MS

    @property
    def exhausted(self) -> bool:
        """Whether the end was announced and everything has been taken."""
        return self._finishing and len(self._held) == 0

    def push(self, at_ms: int, samples: FloatArray) -> None:
        """Add speech that began ``at_ms`` into the address; what was there already is left out."""
        with self._lock:
            if self._next_ms is not None:
                gap_ms = at_ms - self._next_ms
                if gap_ms < 0:
                    samples = samples[-gap_ms * _PER_MS :]
                    at_ms = self._next_ms
                elif self.begun:
                    self.lost_ms += min(gap_ms, _LONGEST_GAP_MS)
            if len(samples) == 0:
                return
            self._next_ms = at_ms + len(samples) // _PER_MS
            self._held = np.concatenate((self._held, samples))
            if self.held_ms > self.target_ms + _SPARE_MS:
                self._to_the_present()

    def finish(self) -> None:
        """No more will come: what is held is still said."""
        with self._lock:
            self._finishing, self._filling = True, False

    def take(self, count: int) -> FloatArray:
        """The next ``count`` samples, silence where there are none."""
        with self._lock:
            if self._filling and self.held_ms >= self.target_ms:
                self._filling = False
                self._fade(self._held, start=True)
            if self._filling:
                return np.zeros(count, np.float32)
            out, self._held = self._held[:count].copy(), self._held[count:]
            if len(out):
                self.begun = True
            if len(out) == count:
                self._be_calm(count)
                return out
            self._fade(out, start=False)
            if not self._finishing:
                self._filling, self._calm_ms = True, 0.0
                self.target_ms = min(self.target_ms + _TARGET_STEP_MS, LARGEST_TARGET_MS)
            return np.concatenate((out, np.zeros(count - len(out), np.float32)))

    def _be_calm(self, count: int) -> None:
        self._calm_ms += count / _PER_MS
        if self._calm_ms >= _CALM_MS:
            self._calm_ms = 0.0
            self.target_ms = max(FIRST_TARGET_MS, self.target_ms - _TARGET_STEP_MS)

    def _to_the_present(self) -> None:
        keep = self.target_ms * _PER_MS
        if self.begun:
            self.lost_ms += (len(self._held) - keep) // _PER_MS
        self._held = self._held[-keep:].copy()
        self._fade(self._held, start=True)

    @staticmethod
    def _fade(samples: FloatArray, *, start: bool) -> None:
        size = min(_EDGE, len(samples))
        slope = np.linspace(0, 1, size, dtype=np.float32)
        if start:
            samples[:size] *= slope
        elif size:
            samples[-size:] *= slope[::-1]


class Upsampler:
    """16 kHz to 48 kHz by a windowed sinc; sound cards all know 48 kHz."""

    _TAPS = 16

    def __init__(self) -> None:
        factor = OUT_RATE_HZ // IN_RATE_HZ
        at = (np.arange(self._TAPS * factor) - (self._TAPS * factor - 1) / 2) / factor
        kernel = np.sinc(at * 0.95) * 0.95 * np.kaiser(len(at), 7.0)
        self._phases = [kernel[phase::factor] for phase in range(factor)]
        self._before = np.zeros(self._TAPS - 1, np.float32)

    def run(self, samples: FloatArray) -> FloatArray:
        """Three samples for each one; goes on where the last call ended."""
        joined = np.concatenate((self._before, samples))
        self._before = joined[len(joined) - (self._TAPS - 1) :]
        out = np.empty(len(samples) * len(self._phases), np.float32)
        for phase, taps in enumerate(self._phases):
            out[phase :: len(self._phases)] = np.convolve(joined, taps, "valid")
        return out


def chime() -> FloatArray:
    """Half a second of near-silence that wakes the amplifier, then two falling tones; 48 kHz."""
    noise = blocks.NearSilence().block(OUT_RATE_HZ // 2)
    at = np.arange(round(0.45 * OUT_RATE_HZ)) / OUT_RATE_HZ
    fade = np.minimum(1, at / 0.01) * np.exp(-4 * at)
    tones = [0.5 * np.sin(2 * np.pi * hertz * at) * fade for hertz in (659.3, 523.3)]
    return np.concatenate((noise, *tones)).astype(np.float32)


class LiveSource:
    """What the sink takes its blocks from: chime, then speech as it comes, until it is over.

    ``cap``: 0-1, the loudest sample; ``share``: 0-1, how loud below it. ``first_voice``: called
    once with the monotonic instant at which the first word is heard.
    """

    rate_hz = OUT_RATE_HZ

    def __init__(
        self, buffer: JitterBuffer, cap: float, share: float, first_voice: Callable[[float], None]
    ) -> None:
        self._buffer = buffer
        self._cap, self._gain = cap, cap * share
        self._level = self._gain
        self._hushed = False
        self._first_voice: Callable[[float], None] | None = first_voice
        self._opening = chime()
        self._spare = np.zeros(0, np.float32)
        self._upsampler = Upsampler()
        self._near_silence = blocks.NearSilence()
        self.first_frame: float | None = None
        self.last_frame: float | None = None

    @property
    def begun(self) -> bool:
        """Whether anything has been handed over."""
        return self.first_frame is not None

    @property
    def done(self) -> bool:
        """Whether the last word has been handed over."""
        return self.last_frame is not None

    @property
    def silent(self) -> bool:
        """Whether it was hushed and has died away."""
        return self._hushed and (self._level == 0.0 or not self.begun)

    def hush(self) -> None:
        """Die away, for good."""
        self._hushed, self._gain = True, 0.0

    def reopened(self, slope: float = 0.0) -> None:
        """The sound device is another one now; speech goes on at the present."""

    def block(self, frames: int, first: int, heard_at_s: float) -> FloatArray:
        """``frames`` samples (-1 to 1), the first of which is heard at monotonic ``heard_at_s``."""
        if self.first_frame is None:
            self.first_frame = float(first)
        out = self._near_silence.block(frames)
        if self.silent or self.done:
            return out
        sound = self._next(frames, heard_at_s)
        gains = blocks.gains(self._level, self._gain, frames, self.rate_hz)
        self._level = float(gains[-1])
        sound *= gains
        np.clip(sound, -self._cap, self._cap, out=sound)
        if self._buffer.exhausted and len(self._opening) == 0:
            self.last_frame = float(first + frames)
        return out + sound

    def _next(self, frames: int, heard_at_s: float) -> FloatArray:
        opening, self._opening = self._opening[:frames], self._opening[frames:]
        missing = frames - len(opening)
        if missing == 0:
            return opening.copy()
        if len(self._spare) < missing:
            wanted = -(-(missing - len(self._spare)) * IN_RATE_HZ // OUT_RATE_HZ)
            speech = self._upsampler.run(self._buffer.take(wanted))
            self._spare = np.concatenate((self._spare, speech))
        speech, self._spare = self._spare[:missing], self._spare[missing:]
        if self._first_voice is not None and self._buffer.begun:
            tell, self._first_voice = self._first_voice, None
            tell(heard_at_s)
        return np.concatenate((opening, speech))
