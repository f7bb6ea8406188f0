"""What could not be taken in, and when each is tried again."""

from __future__ import annotations

import time
from collections.abc import Collection, Hashable, Sequence


class Patience:
    """Pauses that grow with the failures of each thing by itself; the others wait for none.

    ``waits_s``: the pause after the first failure, the second …; the last one stays.
    """

    def __init__(self, waits_s: Sequence[float]) -> None:
        self._waits_s = waits_s
        self._failures: dict[Hashable, tuple[int, float]] = {}

    def is_due(self, key: Hashable) -> bool:
        """Whether to try it now."""
        _, not_before_s = self._failures.get(key, (0, 0.0))
        return time.monotonic() >= not_before_s

    def failures(self, key: Hashable) -> int:
        """How often it has failed since it was new or succeeded."""
        return self._failures.get(key, (0, 0.0))[0]

    def failed(self, key: Hashable) -> None:
        count, _ = self._failures.get(key, (0, 0.0))
        wait_s = self._waits_s[min(count, len(self._waits_s) - 1)]
        self._failures[key] = count + 1, time.monotonic() + wait_s

    def succeeded(self, key: Hashable) -> None:
        self._failures.pop(key, None)

    def keep(self, keys: Collection[Hashable]) -> None:
        """Forget what is not among ``keys``: it is not there any more."""
        self._failures = {key: found for key, found in self._failures.items() if key in keys}

    @property
    def is_tried(self) -> bool:
        """Whether anything has failed and not succeeded since."""
        return bool(self._failures)
