"""What a caller says, handed on as it is said: in order, in time, never late."""

from __future__ import annotations

from hotline.call import OnSound
from hotline.sip.g711 import FRAME_SAMPLES, RATE_HZ
from hotline.sip.timeline import BYTES_PER_SAMPLE, SoundBuffer, Timeline

BYTES_PER_MS = RATE_HZ * BYTES_PER_SAMPLE // 1000
TICK_BYTES = FRAME_SAMPLES * BYTES_PER_SAMPLE
PIECE_TICKS = 5
HELD_BACK = 2 * TICK_BYTES
"""So much (40 ms) waits for packets that were overtaken."""
LATE = 200 * BYTES_PER_MS
"""Without packets for this long silence goes out; what comes even later belongs to the present."""
EARLY = 1000 * BYTES_PER_MS
"""A time stamp this far ahead of the clock is wrong: listeners would wait for it."""


class Outflow:
    """Gives ``on_sound`` a piece each 0.1 s, placed by RTP time stamp, held to the clock.

    Listeners hear the present: a source whose time stamps stood still or leapt is put where the
    clock is.
    """

    def __init__(self, on_sound: OnSound) -> None:
        self._on_sound = on_sound
        self._timeline = Timeline()
        self._buffer = SoundBuffer()
        self._shift = 0
        self._first_tick: int | None = None
        self._heard_tick = 0

    def hear(self, ssrc: int, timestamp: int, pcm: bytes, tick: int) -> None:
        """Take in one frame of the caller's sound."""
        if self._first_tick is None:
            self._first_tick = tick
        self._heard_tick = tick
        position = self._timeline.place(ssrc, timestamp, len(pcm) // BYTES_PER_SAMPLE, tick)
        offset = position * BYTES_PER_SAMPLE + self._shift
        now = self._now(tick)
        if not self._buffer.start - LATE <= offset <= now + EARLY:
            present = max(self._buffer.end, now)
            self._shift += present - offset
            offset = present
        if offset >= 0:
            self._buffer.place(offset, pcm)

    def tick(self, tick: int) -> None:
        """20 ms passed."""
        if self._first_tick is None or (tick - self._first_tick) % PIECE_TICKS:
            return
        silent = tick - self._heard_tick > PIECE_TICKS
        until = self._now(tick) - LATE
        if silent and until > self._buffer.end:
            self._buffer.place(self._buffer.end, bytes(until - self._buffer.end))
        for offset, pcm in self._buffer.drain(0 if silent else HELD_BACK, unit=BYTES_PER_MS):
            self._on_sound(offset // BYTES_PER_MS, pcm)

    def _now(self, tick: int) -> int:
        return (tick - (self._first_tick or 0)) * TICK_BYTES
