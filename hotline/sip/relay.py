"""The sound of one caller on its way to another: put in order, evened out, translated.

Nothing here is kept: at most ``LONGEST`` samples lie in memory between two people.
"""

from __future__ import annotations

from hotline.sip import g711
from hotline.sip.g711 import FRAME_SAMPLES, Codec
from hotline.sip.rtp import Packet

HEAD_START = 2 * FRAME_SAMPLES
"""Samples (40 ms) that a voice waits at its beginning, so that late packets still find place."""
LONGEST = 5 * FRAME_SAMPLES
"""Samples (100 ms) that may wait; of more the oldest are dropped, or talking gets hard."""
OUT_OF_ORDER = g711.RATE_HZ
"""A time stamp further away (1 s) than this is a new beginning."""


class RelayQueue:
    """What one side said and the other has not been sent yet, in G.711 bytes by time stamp."""

    def __init__(self) -> None:
        self._codec: Codec = "PCMA"
        self._waiting = bytearray()
        self._ssrc: int | None = None
        self._next = 0
        self._starved = True
        self.dropped_samples = 0

    def put(self, codec: Codec, packet: Packet) -> None:
        """Take in a packet of sound; what comes after its turn is dropped."""
        if codec != self._codec:
            self._waiting[:] = g711.translate(self._codec, codec, self._waiting)
            self._codec = codec
        ahead = (packet.timestamp - self._next + 0x80000000 & 0xFFFFFFFF) - 0x80000000
        if packet.ssrc != self._ssrc or self._starved or abs(ahead) > OUT_OF_ORDER:
            self._ssrc, self._starved = packet.ssrc, False
            ahead = len(self._waiting) or HEAD_START
            self._next = packet.timestamp - ahead
        if ahead < 0:
            self.dropped_samples += len(packet.payload)
            return
        stop = ahead + len(packet.payload)
        if stop > len(self._waiting):
            self._waiting += g711.SILENCE[codec][:1] * (stop - len(self._waiting))
        self._waiting[ahead:stop] = packet.payload
        surplus = stop - LONGEST
        if surplus > 0:
            self._drop(surplus)
            self.dropped_samples += surplus

    def frame(self, codec: Codec) -> bytes | None:
        """The next 20 ms in ``codec``; None when nothing is waiting."""
        if not self._waiting:
            self._starved = True
            return None
        payload = bytes(self._waiting[:FRAME_SAMPLES])
        self._drop(FRAME_SAMPLES)
        payload += g711.SILENCE[self._codec][len(payload) :]
        return g711.translate(self._codec, codec, payload)

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting.clear()
        self._starved = True

    def _drop(self, samples: int) -> None:
        del self._waiting[:samples]
        self._next += samples
