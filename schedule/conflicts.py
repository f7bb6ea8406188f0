"""Plays that would sound at the same time in one village. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

UNKNOWN_DURATION_MS = 60_000
"""A play without an episode yet counts as one minute."""


@dataclass(frozen=True)
class Planned:
    """What matters of a play; ``duration_ms`` None while no episode is approved."""

    play_id: int
    slot_id: int
    area_code: str
    starts_at: datetime
    duration_ms: int | None

    @property
    def ends_at(self) -> datetime:
        length_ms = UNKNOWN_DURATION_MS if self.duration_ms is None else self.duration_ms
        return self.starts_at + timedelta(milliseconds=length_ms)


@dataclass(frozen=True)
class Overlap:
    """``second`` starts before ``first`` has ended, in the same village."""

    first: Planned
    second: Planned


def overlaps(plays: Iterable[Planned]) -> list[Overlap]:
    """All pairs that overlap, in order of start."""
    by_village: dict[str, list[Planned]] = defaultdict(list)
    for play in plays:
        by_village[play.area_code].append(play)
    found: list[Overlap] = []
    for village in by_village.values():
        village.sort(key=lambda play: (play.starts_at, play.play_id))
        sounding: list[Planned] = []
        for play in village:
            sounding = [before for before in sounding if before.ends_at > play.starts_at]
            found.extend(Overlap(before, play) for before in sounding)
            sounding.append(play)
    return sorted(found, key=lambda pair: (pair.second.starts_at, pair.second.play_id))
