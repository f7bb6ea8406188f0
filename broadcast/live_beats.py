"""Tells whether the process that carries a live address is alive.

Whoever carries one adds a beat to its row from time to time; whoever carries it not looks whether
the beats go on. Counted, and timed by the watcher's own monotonic clock: clocks of machines differ.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast.models import LiveSession

EVERY_S = 20.0
DEAD_AFTER_S = 90.0
"""Three beats and the half minute that a busy database makes a writer wait."""
BLIND_S = 45.0


class Beats:
    """What one process does and sees. ``now_s``: a monotonic clock."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._due_s = self._looked_s = now_s()
        self._seen: dict[str, tuple[int, float]] = {}

    @property
    def due(self) -> bool:
        """Whether to beat and to look, every ``EVERY_S``."""
        return self._now_s() >= self._due_s

    def beat(self, session: Session, carried: Collection[str]) -> None:
        """Add a beat to the sessions that are carried here."""
        session.execute(
            sa.update(LiveSession)
            .where(LiveSession.id.in_(carried))
            .values(beats=LiveSession.beats + 1)
        )

    def silent(self, others: dict[str, int]) -> list[str]:
        """Of the open sessions others carry (id -> beats), those without a beat for too long.

        Who could not look for a while counts anew: perhaps nobody could write either.
        """
        now_s = self._now_s()
        if now_s - self._looked_s > BLIND_S:
            self._seen = {}
        self._due_s, self._looked_s = now_s + EVERY_S, now_s
        seen: dict[str, tuple[int, float]] = {}
        for session_id, beats in others.items():
            known = self._seen.get(session_id)
            seen[session_id] = known if known and known[0] == beats else (beats, now_s)
        self._seen = seen
        return [each for each, (_, since_s) in seen.items() if now_s - since_s >= DEAD_AFTER_S]
