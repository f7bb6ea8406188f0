"""What the box cannot know: whether a play sounded before its memory was lost, and what is late by
a clock that nobody vouches for yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from edge import ladder, plan
from edge.clock import instant, iso, parse
from edge.guided import GuidedClock
from edge.plan import Entry
from edge.store import Store

_FACT = "memory_lost_at"
_NOT_DATED = ""


class Doubt:
    """What this run of the program doubts."""

    def __init__(self, store: Store, clock: GuidedClock) -> None:
        self._store, self._clock = store, clock
        self._began_s = clock.mono_s()

    def lose_memory(self) -> None:
        """It began anew. By which hour is noted once the time is sure: what a clock that stands
        years ahead calls past would be lost for good.
        """
        self._store.remember(_FACT, _NOT_DATED)

    def sort_out(self, entries: Sequence[Entry], now: datetime) -> tuple[list[Entry], list[Entry]]:
        """See ``sort_out`` below."""
        return sort_out(
            entries,
            memory_lost_at=self._lost_at(),
            is_clock_settled=self._clock.is_settled,
            now=now,
        )

    def _lost_at(self) -> str | None:
        kept = self._store.fact(_FACT)
        if kept != _NOT_DATED:
            return kept
        ago_s = self._clock.mono_s() - self._began_s
        lost_at = iso(instant(self._clock.wall_s() - ago_s))
        if self._clock.is_sure:
            self._store.remember(_FACT, lost_at)
        return lost_at


def sort_out(
    entries: Sequence[Entry], *, memory_lost_at: str | None, is_clock_settled: bool, now: datetime
) -> tuple[list[Entry], list[Entry]]:
    """The plays about which something can be decided, and those that are lost.

    After the loss of the memory nobody knows what had sounded: better once too few. While the time
    is unsure nothing is called missed and nothing is made up; what is due begins, and so does an
    emergency.
    """
    lost_at = parse(memory_lost_at) if memory_lost_at is not None else None
    going_on, lost = [], []
    for entry in entries:
        if lost_at is not None and entry.play.starts_at <= lost_at:
            if is_clock_settled:
                lost.append(entry)
        elif is_clock_settled or not _waits_for_the_time(entry, now):
            going_on.append(entry)
    return going_on, lost


def _waits_for_the_time(entry: Entry, now: datetime) -> bool:
    return plan.is_late(entry.play, now) and not ladder.sounds_always(entry.play.priority)
