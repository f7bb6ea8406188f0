"""Duties in threads of their own. An error ends none of them: it is logged, and they begin again.

Each duty expects the errors it knows; this is for those nobody expected. A duty that keeps dying
is named by ``dying``, for whoever looks after the house.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Protocol

import structlog

PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
STEADY_S = 900.0
"""A duty that ran this long is well again: longer than any of them sleeps between two looks."""
STOP_WITHIN_S = 2.0
log = structlog.get_logger("core.duties")


class Duty(Protocol):
    """``run_forever`` returns after ``stop`` and may be called again after it raised."""

    name: str

    def run_forever(self) -> None: ...
    def stop(self) -> None: ...


class Kept:
    """One duty in its thread."""

    def __init__(self, duty: Duty) -> None:
        self.name = duty.name
        self._duty = duty
        self._stopped = threading.Event()
        self._deaths = 0
        self._begun_s = time.monotonic()
        self.thread = threading.Thread(target=self._keep, name=duty.name, daemon=True)

    def stop(self) -> None:
        self._stopped.set()
        self._duty.stop()

    def deaths(self) -> int:
        """How often it died without running for ``STEADY_S`` in between; 0 when it is well."""
        return 0 if time.monotonic() - self._begun_s >= STEADY_S else self._deaths

    def _keep(self) -> None:
        while not self._stopped.is_set():
            self._begun_s = time.monotonic()
            error = self._run()
            if self._stopped.is_set():
                return
            pause_s = self._note_death(error)
            self._stopped.wait(pause_s)

    def _run(self) -> Exception | None:
        try:
            self._duty.run_forever()
        except Exception as error:
            return error
        return None

    def _note_death(self, error: Exception | None) -> float:
        """Count it and say so; how long to wait (s)."""
        self._deaths = self.deaths() + 1
        self._begun_s = time.monotonic()
        pause_s = PAUSES_S[min(self._deaths, len(PAUSES_S)) - 1]
        log.error(
            "a duty died; it begins again",
            duty=self.name,
            deaths=self._deaths,
            again_in_s=pause_s,
            exc_info=error,
        )
        return pause_s


class Roster:
    """All duties of this process."""

    def __init__(self) -> None:
        self._kept: list[Kept] = []

    def start(self, duties: Iterable[Duty]) -> None:
        """Begin them, each in a thread of its name."""
        for duty in duties:
            kept = Kept(duty)
            self._kept.append(kept)
            kept.thread.start()

    def stop(self) -> None:
        """Ask all to end, the last first, and wait for each a moment."""
        for kept in reversed(self._kept):
            kept.stop()
        for kept in self._kept:
            kept.thread.join(timeout=STOP_WITHIN_S)

    def dying(self) -> dict[str, int]:
        """Duties that died more than once lately, and how often."""
        return {kept.name: kept.deaths() for kept in self._kept if kept.deaths() > 1}
