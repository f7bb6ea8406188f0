"""Callers whom a full disk kept out of the journal: remembered until there is room for them.

In memory alone, their numbers sealed: a clean stop writes what it can, a killed process forgets
them. They heard an apology or the busy tone; what is written makes a call-back of it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from core import bell
from hotline.journal import BELL, Entry, Journal

KEPT = 1000
"""Numbers; each stands once, however often it calls. Of more only those just cheated are taken."""
RETRY_S = 10.0
log = structlog.get_logger(__name__)


class Unwritten:
    """``keep`` returns at once; ``write`` waits for the disk and may run in another thread."""

    def __init__(
        self, spool: Path, *, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._spool = spool
        self._pause = pause
        self._entries: dict[str, Entry] = {}
        self._changing = threading.Lock()
        self._writing = threading.Lock()
        self._trying: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def keep(self, entry: Entry) -> None:
        """Remember a call that is over, and try to write it from time to time."""
        who = entry.caller_hash or entry.call_id
        with self._changing:
            before = self._entries.get(who)
            if before is None and not self._has_room_for(entry):
                log.error("too many callers wait for the disk; one is lost", call_id=entry.call_id)
                return
            if before is None or before.urgent_reason is None:
                self._entries[who] = entry
        if self._trying is None or self._trying.done():
            self._trying = asyncio.get_running_loop().create_task(self._keep_trying())

    def _has_room_for(self, entry: Entry) -> bool:
        if len(self._entries) < KEPT:
            return True
        if entry.urgent_reason is None:
            return False
        others = (who for who, kept in self._entries.items() if kept.urgent_reason is None)
        less_urgent = next(others, None)
        return less_urgent is not None and self._entries.pop(less_urgent) is not None

    async def _keep_trying(self) -> None:
        while self._entries:
            await self._pause(RETRY_S)
            await asyncio.to_thread(self.write)

    def write(self) -> None:
        """Write what the disk takes, the urgent first; the rest stays remembered."""
        with self._writing:
            written = 0
            for who, entry in self._waiting():
                if not self._write(entry):
                    break
                written += 1
                with self._changing:
                    if self._entries.get(who) is entry:
                        del self._entries[who]
        if written:
            log.info("missed callers are written down", written=written, left=len(self))
            bell.ring(BELL)

    def _waiting(self) -> list[tuple[str, Entry]]:
        with self._changing:
            waiting = list(self._entries.items())
        return sorted(waiting, key=lambda each: each[1].urgent_reason is None)

    def _write(self, entry: Entry) -> bool:
        try:
            Journal.create(self._spool, entry).close()
        except FileExistsError:
            log.warning("a missed caller is written down already", call_id=entry.call_id)
        except OSError as error:
            log.warning("missed callers wait for the disk", left=len(self), why=str(error)[:200])
            return False
        return True
