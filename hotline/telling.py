"""Tells the live decoder of a take while it grows. Nobody on the telephone waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from hotline.sip.g711 import RATE_HZ
from hotline.takes import stream_key
from transcribe.stream import Announcer

EVERY_S = 1.0


class Telling:
    """Says every second that a take grows, until it ended or its call is forgotten."""

    def __init__(self, announcer: Announcer) -> None:
        self._announcer = announcer
        self._key = ""
        self._task: asyncio.Task[None] | None = None

    def begin(self, take: Path, after: Sequence[Path]) -> None:
        """``take`` is being recorded; the takes ``after`` which it comes are heard before it."""
        self.stop()
        self._key = stream_key(take)
        self._say(take, after)
        self._task = asyncio.create_task(self._repeat(take, after))

    def done(self) -> None:
        """The take lies under its final name."""
        if self._task is not None:
            self.stop()
            self._announcer.done(self._key)

    def stop(self) -> None:
        """Say no more: after a few seconds the sound counts as finished as it lies there."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _repeat(self, take: Path, after: Sequence[Path]) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            self._say(take, after)

    def _say(self, take: Path, after: Sequence[Path]) -> None:
        self._announcer.grows(self._key, take, RATE_HZ, after=after)
