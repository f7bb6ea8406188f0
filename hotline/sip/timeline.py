"""Where a caller's sound belongs in time: pure bookkeeping, no files, no sockets."""

from __future__ import annotations

from hotline.sip.g711 import FRAME_SAMPLES, RATE_HZ

BYTES_PER_SAMPLE = 2
AHEAD_SAMPLES = 10 * RATE_HZ
"""A time stamp that runs this far ahead of the clock is a new beginning."""
LATE_SAMPLES = RATE_HZ
"""No packet is overtaken by a whole second of others: one that old is a new beginning too."""


class Timeline:
    """Maps RTP time stamps to sample positions, over wrap-around, gaps and new sources.

    A new source (SSRC) or a jump of the time stamp nobody can have spoken through goes on where
    the sound ended. ``tick`` is the 20 ms clock at arrival.
    """

    def __init__(self) -> None:
        self.end = 0
        self._ssrc: int | None = None
        self._position = 0
        self._timestamp = 0
        self._tick = 0
        self._renewed = False

    def renew(self) -> None:
        """The source may have begun anew (the call was changed): never write over what is there."""
        self._renewed = True

    def place(self, ssrc: int, timestamp: int, samples: int, tick: int) -> int:
        """Sample position of a frame; negative when it is older than the first one."""
        step = (timestamp - self._timestamp + 0x80000000 & 0xFFFFFFFF) - 0x80000000
        passed = (tick - self._tick) * FRAME_SAMPLES
        oldest = 0 if self._renewed else -LATE_SAMPLES
        if ssrc != self._ssrc or not oldest <= step <= passed + AHEAD_SAMPLES:
            self._ssrc, position = ssrc, self.end
        else:
            position = self._position + step
        self._renewed = False
        if position >= self._position:
            self._position, self._timestamp, self._tick = position, timestamp, tick
        self.end = max(self.end, position + samples)
        return position


class SoundBuffer:
    """PCM that waits for the disk, or is only listened to. Offsets are bytes of the timeline."""

    def __init__(self) -> None:
        self.start = 0
        self.end = 0
        self._data = bytearray()
        self._late: list[tuple[int, bytes]] = []
        self._first = 0

    def place(self, offset: int, pcm: bytes) -> None:
        """Put ``pcm`` at ``offset``; gaps are silence, what came too late to keep is dropped."""
        relative = offset - self.start
        if relative < 0:
            if offset >= self._first:
                self._late.append((offset, pcm))
            return
        stop = relative + len(pcm)
        if stop > len(self._data):
            self._data.extend(bytes(stop - len(self._data)))
            self.end = self.start + stop
        self._data[relative:stop] = pcm

    def forget_before(self, keep_bytes: int) -> None:
        """Keep only the newest ``keep_bytes``."""
        surplus = len(self._data) - keep_bytes
        if surplus > 0:
            del self._data[:surplus]
            self.start += surplus
            self._first = self.start

    def drain(self, keep_bytes: int = 0, *, unit: int = 1) -> list[tuple[int, bytes]]:
        """Hand out all but the newest ``keep_bytes`` as (offset, bytes), in whole ``unit`` bytes.

        Later frames for what went out come out in the next.
        """
        ready = max(0, len(self._data) - keep_bytes) // unit * unit
        pieces = [*self._late, (self.start, bytes(self._data[:ready]))]
        self._late = []
        self.start += ready
        del self._data[:ready]
        return [piece for piece in pieces if piece[1]]
