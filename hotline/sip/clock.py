"""The 20 ms clock all calls share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from hotline.sip.g711 import FRAME_MS

log = structlog.get_logger(__name__)

TICK_S = FRAME_MS / 1000
GIVE_UP_S = 1.0
"""Later than this the missed ticks are dropped instead of caught up with."""


class MediaClock:
    """Calls ``beat(tick)`` every 20 ms, whatever goes wrong in it."""

    def __init__(self, beat: Callable[[int], None]) -> None:
        self._beat = beat
        self.tick = 0
        self.late_max_ms = 0.0
        self._late_counts = [0] * 101

    async def run(self) -> None:
        """Tick until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += TICK_S
            await asyncio.sleep(max(0.0, due - loop.time()))
            late_s = max(0.0, loop.time() - due)
            self._note(late_s)
            if late_s > GIVE_UP_S:
                log.warning("the media clock stood still", seconds=round(late_s, 2))
                due = loop.time()
            self.tick += 1
            try:
                self._beat(self.tick)
            except Exception as error:
                log.error("a tick failed", error=repr(error))

    def _note(self, late_s: float) -> None:
        late_ms = late_s * 1000
        self.late_max_ms = max(self.late_max_ms, late_ms)
        self._late_counts[min(100, int(late_ms))] += 1

    def late_ms(self, share: float) -> int:
        """Lateness in whole ms that ``share`` (0-1) of all ticks kept, at most 100."""
        needed, seen = share * sum(self._late_counts), 0
        for late, count in enumerate(self._late_counts):
            seen += count
            if seen >= needed:
                return late
        return 100
