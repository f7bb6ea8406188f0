"""Token buckets: how often one source may do a thing. Memory is bounded whatever arrives."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

SOURCES_AT_MOST = 4096


class Buckets:
    """One bucket for each key, full at first: ``burst`` tokens, refilled at ``per_second``.

    At most ``capacity`` keys are remembered; the one unused for longest is forgotten first.
    """

    def __init__(
        self,
        per_second: float,
        burst: int,
        *,
        capacity: int = SOURCES_AT_MOST,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._capacity = capacity
        self._now = now
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._levels)

    def wait_s(self, key: str) -> float:
        """Seconds until ``key`` may take a token; 0.0 when there is one."""
        return max(0.0, (1.0 - self._level(key)) / self._per_second)

    def take(self, key: str) -> bool:
        """Take a token; False, and nothing taken, when the bucket is empty."""
        level = self._level(key)
        taken = level >= 1.0
        self._levels[key] = (level - taken, self._now())
        self._levels.move_to_end(key)
        if len(self._levels) > self._capacity:
            self._levels.popitem(last=False)
        return taken

    def _level(self, key: str) -> float:
        level, at = self._levels.get(key, (self._burst, 0.0))
        return min(self._burst, level + max(0.0, self._now() - at) * self._per_second)
