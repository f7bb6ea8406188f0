"""A clock whose wall and monotonic hands tests move apart."""

from __future__ import annotations


class TurnableClock:
    """Stands still until moved. ``step``: the wall alone jumps, as when somebody sets the clock."""

    def __init__(self, wall_s: float = 1_780_272_000.0) -> None:
        self._wall_s = wall_s
        self._mono_s = 5000.0

    def wall_s(self) -> float:
        return self._wall_s

    def mono_s(self) -> float:
        return self._mono_s

    def pass_(self, seconds: float) -> None:
        """Time goes by."""
        self._wall_s += seconds
        self._mono_s += seconds

    def step(self, seconds: float) -> None:
        """The clock is set."""
        self._wall_s += seconds
