"""播出记录: what was planned, what sounded, how exactly on time, and why not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import reasons
from core.models import Area
from recordings.models import Episode
from schedule import conflicts
from schedule.models import Play, Slot

ON_TIME_MS = 2_000.0
"""Later than this counts as made up, not as on time."""


@dataclass
class SlotDay:
    """One slot on one local date: how many villages stand in which state."""

    slot: Slot
    local_date: date
    starts_at: datetime
    episode_title: str | None = None
    counts: dict[str, int] = field(default_factory=dict)
    worst_error_ms: float | None = None

    @property
    def villages(self) -> int:
        """Villages that should hear it."""
        return sum(count for state, count in self.counts.items() if state != "cancelled")

    @property
    def played(self) -> int:
        return self.counts.get("played", 0)

    @property
    def missed(self) -> int:
        return self.counts.get("missed", 0)

    @property
    def waiting(self) -> int:
        return self.counts.get("planned", 0) + self.counts.get("published", 0)

    @property
    def state(self) -> str:
        """In one word: cancelled, missed (any), played (all), partly, published, planned."""
        if not self.villages:
            return "cancelled"
        if self.missed:
            return "missed"
        if self.played == self.villages:
            return "played"
        if self.played:
            return "partly"
        return "planned" if self.counts.get("planned") else "published"


@dataclass(frozen=True)
class Line:
    """One village's line of the as-run."""

    play: Play
    village: str
    reason: str
    made_up: bool


def week(session: Session, villages: Collection[str], first: date, last: date) -> list[SlotDay]:
    """Slots by local date from ``first`` to ``last``, as far as they concern ``villages``."""
    rows = session.execute(
        sa.select(
            Play.slot_id,
            Play.local_date,
            Play.state,
            sa.func.count().label("number"),
            sa.func.min(Play.starts_at).label("starts_at"),
            sa.func.max(Play.start_error_ms).label("worst"),
            sa.func.max(Play.episode_id).label("episode_id"),
        )
        .where(Play.area_code.in_(villages), Play.local_date.between(first, last))
        .group_by(Play.slot_id, Play.local_date, Play.state)
    ).all()
    ids = {row.slot_id for row in rows}
    slots = {slot.id: slot for slot in session.scalars(sa.select(Slot).where(Slot.id.in_(ids)))}
    titles = _titles(session, {row.episode_id for row in rows if row.episode_id})
    found: dict[tuple[int, date], SlotDay] = {}
    for row in rows:
        key = (row.slot_id, row.local_date)
        day = found.setdefault(key, SlotDay(slots[row.slot_id], row.local_date, row.starts_at))
        day.counts[row.state] = row.number
        day.starts_at = min(day.starts_at, row.starts_at)
        day.episode_title = titles.get(row.episode_id) or day.episode_title
        if row.worst is not None:
            day.worst_error_ms = max(row.worst, day.worst_error_ms or 0.0)
    return sorted(found.values(), key=lambda day: (day.local_date, day.starts_at, day.slot.id))


def lines(
    session: Session, slot_id: int, local_date: date, villages: Collection[str]
) -> list[Line]:
    """One line per village for a slot on a date, by village code."""
    rows = session.execute(
        sa.select(Play, Area.name)
        .join(Area, Area.code == Play.area_code)
        .where(Play.slot_id == slot_id, Play.local_date == local_date)
        .where(Play.area_code.in_(villages))
        .order_by(Play.area_code)
    )
    return [
        Line(
            play,
            name,
            reasons.words(play.reason),
            play.state == "played" and (play.start_error_ms or 0.0) > ON_TIME_MS,
        )
        for play, name in rows
    ]


def overlaps(
    session: Session, villages: Collection[str], first: date, last: date
) -> list[tuple[date, str, str, int]]:
    """(date, slot, other slot, villages concerned) where plays would sound over each other."""
    rows = session.execute(
        sa.select(Play, Slot.name)
        .join(Slot, Slot.id == Play.slot_id)
        .where(Play.area_code.in_(villages), Play.local_date.between(first, last))
        .where(Play.state.in_(("planned", "published")))
    ).all()
    names = {play.slot_id: name for play, name in rows}
    dates = {play.id: play.local_date for play, _ in rows}
    found: dict[tuple[date, str, str], int] = {}
    for pair in conflicts.overlaps(
        conflicts.Planned(p.id, p.slot_id, p.area_code, p.starts_at, p.duration_ms) for p, _ in rows
    ):
        key = (dates[pair.second.play_id], names[pair.first.slot_id], names[pair.second.slot_id])
        found[key] = found.get(key, 0) + 1
    return [(*key, count) for key, count in sorted(found.items())]


def _titles(session: Session, ids: set[int]) -> dict[int, str]:
    rows = session.execute(sa.select(Episode.id, Episode.title).where(Episode.id.in_(ids)))
    return {row.id: row.title for row in rows}
