"""How wrong the crystal of a sound card runs, measured in each play and remembered for the next.

Without it the servo learns the crystal anew in the first half minute of each play, which two horns
of one village do apart. A wrong memory does little harm: it is bounded, and the servo learns on.
"""

from __future__ import annotations

import json
import math
import sqlite3
import statistics
from collections.abc import Mapping

from edge.store import Store

LARGEST_SLOPE = 200e-6
"""No crystal that works is further off; what claims to be is a mistake."""

SHORTEST_S = 60.0
"""A play must have lasted so long to tell anything."""

UNSURE = 20e-6
"""What is known less exactly than this is not learnt: the stamps of a busy machine wander."""

_JUMP_S = 0.005  # no crystal, but samples that were lost
_FACT = "crystals"
_MOST_CARDS = 8
_SUREST = 2e-6  # so that a crystal that ages or warms is followed
_LARGEST_WEIGHT = _SUREST**-2
_LEAST_NOISE_S = 0.0003
_WANDERING = 4.0  # stamps err for seconds together, not each for itself
_EXCHANGED = 20e-6
_NEWS = 1e-6


class Trend:
    """The slope of a straight line through the middle of each second.

    Points are the instant and by how much a device frame is heard later than the nominal rate says.
    """

    def __init__(self) -> None:
        self._second: list[float] = []
        self._second_began_s: float | None = None
        self._points: list[tuple[float, float]] = []

    def add(self, at_s: float, offset_s: float) -> None:
        """Another point, later than the last one."""
        if self._second_began_s is None:
            self._second_began_s = at_s
        if at_s - self._second_began_s >= 1.0 and self._second:
            self._close_second()
            self._second_began_s = at_s
        self._second.append(offset_s)

    def _close_second(self) -> None:
        assert self._second_began_s is not None
        middle = statistics.median(self._second)
        self._second.clear()
        if self._points and abs(middle - self._points[-1][1]) > _JUMP_S:
            self._points.clear()
        self._points.append((self._second_began_s + 0.5, middle))

    @property
    def lasted_s(self) -> float:
        """Between the first and the last point."""
        return self._points[-1][0] - self._points[0][0] if self._points else 0.0

    @property
    def slope(self) -> float | None:
        """Seconds a second; None while there are too few points."""
        line = self._line()
        return line.slope if line is not None else None

    @property
    def error(self) -> float:
        """How far the slope may be off, by how far the points lie from the line."""
        line = self._line()
        if line is None:
            return math.inf
        off_s = [offset_s - line.intercept - line.slope * at_s for at_s, offset_s in self._points]
        noise_s = max(_LEAST_NOISE_S, statistics.pstdev(off_s))
        return _WANDERING * noise_s * math.sqrt(12 / len(off_s)) / self.lasted_s

    def _line(self) -> statistics.LinearRegression | None:
        if self.lasted_s < SHORTEST_S:
            return None
        return statistics.linear_regression(*zip(*self._points, strict=True))


class Crystals:
    """What is remembered of each card, by its name and rate."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def slope(self, card: str, rate_hz: int) -> float:
        """What the servo may begin with; 0 of a card that is not known."""
        return self._known().get(_key(card, rate_hz), (0.0, 0.0))[0]

    def learn(self, card: str, rate_hz: int, trend: Trend) -> None:
        """What a play has shown. A surer one counts for more, an exchanged card for all."""
        slope, error = trend.slope, max(_SUREST, trend.error)
        if slope is None or abs(slope) > LARGEST_SLOPE or error > UNSURE:
            return
        known, key = self._known(), _key(card, rate_hz)
        before, weight = known.pop(key, (0.0, 0.0))
        fresh = error**-2
        if abs(slope - before) > _EXCHANGED + 3 * error:
            weight = 0.0
        found = (before * weight + slope * fresh) / (weight + fresh)
        if weight and abs(found - before) < _NEWS:
            return
        kept = [*known.items(), (key, (found, min(weight + fresh, _LARGEST_WEIGHT)))]
        try:
            self._store.remember(_FACT, json.dumps(dict(kept[-_MOST_CARDS:])))
        except (sqlite3.Error, OSError):  # a full card: it is measured again in the next play
            return

    def _known(self) -> dict[str, tuple[float, float]]:
        try:
            kept = json.loads(self._store.fact(_FACT) or "{}")
            return _checked(kept) if isinstance(kept, dict) else {}
        except (ValueError, TypeError, sqlite3.Error):
            return {}


def _checked(kept: Mapping[str, list[float]]) -> dict[str, tuple[float, float]]:
    found = {key: (float(slope), float(weight)) for key, (slope, weight) in kept.items()}
    return {
        key: (slope, weight)
        for key, (slope, weight) in found.items()
        if abs(slope) <= LARGEST_SLOPE and 0 < weight <= _LARGEST_WEIGHT
    }


def _key(card: str, rate_hz: int) -> str:
    return f"{rate_hz} {card}"
