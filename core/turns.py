"""A lock that lets in who came first, and that waits no longer than it is told.

SQLite lets one write at a time and leaves it to chance which of the others is next: each sleeps
and tries again, so of forty that wait somebody is passed over until its patience ends.
"""

from __future__ import annotations

import threading
from collections import deque

ASKED, DUTIES = 0, 1
"""Lanes, which take turns: a thousand requests must not keep back the one thread that tells them
all what is new."""


class Turns:
    """Any thread may give back what another one took."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._lanes: tuple[deque[threading.Event], ...] = (deque(), deque())
        self._last = ASKED
        self._taken = False

    def take(self, limit_s: float, lane: int = ASKED) -> bool:
        """Wait for the own turn; False when it did not come in time."""
        with self._guard:
            if not self._taken:
                self._taken, self._last = True, lane
                return True
            called = threading.Event()
            self._lanes[lane].append(called)
        if called.wait(limit_s):
            return True
        with self._guard:
            if called.is_set():  # in the last moment
                return True
            self._lanes[lane].remove(called)
            return False

    def give_back(self) -> None:
        """Let the next one in: of the other lane, if somebody waits there."""
        with self._guard:
            for lane in (1 - self._last, self._last):
                if self._lanes[lane]:
                    self._last = lane
                    self._lanes[lane].popleft().set()
                    return
            self._taken = False

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(map(len, self._lanes))
