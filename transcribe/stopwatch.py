"""A limit of wall time that stands still while the work it limits does."""

from __future__ import annotations

import threading
import time


class Stopwatch:
    """Runs from the start. ``limit_s``: seconds of running after which it is over."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._ran_s = 0.0
        self._since: float | None = time.monotonic()

    def pause(self) -> None:
        with self._lock:
            if self._since is not None:
                self._ran_s += time.monotonic() - self._since
                self._since = None

    def resume(self) -> None:
        with self._lock:
            if self._since is None:
                self._since = time.monotonic()

    @property
    def over(self) -> bool:
        with self._lock:
            running_s = 0.0 if self._since is None else time.monotonic() - self._since
            return self._ran_s + running_s > self._limit_s
