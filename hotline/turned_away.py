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
from core.sealed import Sealer
from hotline.journal import BELL, Journal
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

    def write(self, caller: str, called: str) -> None:
        """Leave the entry of a call that is over. What the disk refuses stands in the log."""
        call_id = f"busy-{uuid.uuid4().hex}"
        try:
            journal = Journal.begin(self._spool, self._sealer, call_id, caller, called)
            try:
                journal.finish(CAUSE)
                journal.save()
            finally:
                journal.close()
        except OSError as error:
            log.error("a refused call is not written down", error=str(error))
            return
        bell.ring(BELL)
