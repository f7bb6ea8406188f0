"""Calls that found the hotline full: each is written down, so that somebody phones back.

Nobody was heard and nothing was said, so an entry without takes is all there is; the importer makes
a call-back of it. A flood of calls must fill neither the disk nor the list.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from pathlib import Path

import structlog

from core import bell, phone_numbers
from core.clock import utc_now
from core.sealed import Sealer
from hotline.journal import BELL, Entry, Journal, opened
from hotline.sip.bucket import Buckets

PER_MINUTE = 30
"""Entries a minute, whoever calls; the rest is refused without a trace but in the log."""
CAUSE = "busy"
log = structlog.get_logger(__name__)


class TurnedAway:
    """Writes the entries. ``admits`` is quick; ``write`` waits for the disk."""

    def __init__(
        self, spool: Path, sealer: Sealer, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._spool = spool
        self._sealer = sealer
        self._all = Buckets(PER_MINUTE / 60, PER_MINUTE, capacity=1, now=now)
        self._callers = Buckets(1 / 60, 1, now=now)

    def admits(self, caller: str) -> bool:
        """Whether this one is written: the same number once a minute, all together a few."""
        return self._callers.take(phone_numbers.normal(caller)) and self._all.take("")

    def entry(self, caller: str, called: str) -> Entry:
        """What stands of such a call: who it was, and that it is over."""
        entry = opened(self._sealer, f"busy-{uuid.uuid4().hex}", caller, called)
        entry.ended_at, entry.end_cause, entry.finished = utc_now().isoformat(), CAUSE, True
        return entry

    def write(self, entry: Entry) -> bool:
        """Leave the entry in the spool; False when the disk refuses it."""
        try:
            Journal.create(self._spool, entry).close()
        except OSError as error:
            log.error("a refused call is not written down yet", error=str(error))
            return False
        bell.ring(BELL)
        return True
