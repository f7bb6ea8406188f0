"""Slows down guessing: so many failures from one address, then a pause."""

from __future__ import annotations

import threading
from collections import deque
from datetime import datetime, timedelta

from core.clock import utc_now
from core.errors import N_, XiangyinError

MAX_ADDRESSES = 10_000


class TooManyTries(XiangyinError):
    """This address failed too often."""

    code = "too_many_tries"
    http_status = 429
    retriable = True


class Brake:
    """Counts failures by address, in this process."""

    def __init__(self, failures: int, within_s: int) -> None:
        self._allowed = failures
        self._within = timedelta(seconds=within_s)
        self._failures: dict[str, deque[datetime]] = {}
        self._lock = threading.Lock()

    def check(self, address: str) -> None:
        """Raise TooManyTries while the address has used up its failures."""
        with self._lock:
            failed = self._recent(address)
            if len(failed) < self._allowed:
                return
            left = failed[0] + self._within - utc_now()
        raise TooManyTries(
            N_("Too many tries from your address. Try again in %(minutes)d minutes."),
            params={"minutes": max(1, round(left.total_seconds() / 60))},
        )

    def failed(self, address: str, counts: int = 1) -> None:
        """Count a failure, one that did more harm as several."""
        with self._lock:
            if len(self._failures) >= MAX_ADDRESSES:
                self._failures.clear()
            self._failures.setdefault(address, deque()).extend([utc_now()] * counts)

    def _recent(self, address: str) -> deque[datetime]:
        failed = self._failures.get(address, deque())
        while failed and utc_now() - failed[0] > self._within:
            failed.popleft()
        if not failed:
            self._failures.pop(address, None)
        return failed
