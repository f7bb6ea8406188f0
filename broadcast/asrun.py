"""播出记录: what was planned, what sounded, how exactly on time, and why not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import beside_plan, giving_way, reasons
from broadcast.beside_plan import Air
from broadcast.giving_way import GaveWay
from core.clock import utc_now
from core.models import Area
from recordings.models import Episode
from schedule import conflicts
from schedule.models import Play, Slot

ON_TIME_MS = giving_way.ON_TIME / timedelta(milliseconds=1)
"""Later than this counts as made up, not as on time."""
Ways = dict[int, list[GaveWay]]
"""Play id -> what it made way for; plays that made way for nothing are not in it."""


@dataclass
class SlotDay:
    """One slot on one local date: how many villages stand in which state."""

    slot: Slot
    local_date: date
    starts_at: datetime
    episode_title: str | None = None
    counts: dict[str, int] = field(default_factory=dict)
    worst_error_ms: float | None = None
    gave_way: int = 0
    """Villages in which it made way for something more urgent."""

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
    gave_way: list[GaveWay]


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
    for key in _that_gave_way(session, villages, list(found.values())):
        found[key].gave_way += 1
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
    ).all()
    ways = gave_way(session, [play for play, _ in rows])
    return [line(play, name, ways) for play, name in rows]


def line(play: Play, village: str, ways: Ways) -> Line:
    """The line of a play."""
    made_up = play.state == "played" and (play.start_error_ms or 0.0) > ON_TIME_MS
    mine = ways.get(play.id, [])
    is_told = bool(mine) and play.reason in giving_way.SAID_SO
    return Line(play, village, "" if is_told else reasons.words(play.reason), made_up, mine)


def gave_way(session: Session, plays: Collection[Play]) -> Ways:
    """What each play made way for: rounds, live addresses, plays of more urgent slots."""
    begun = [play for play in plays if play.starts_at <= utc_now()]
    if not begun:
        return {}
    air = _air(
        session,
        {play.area_code for play in begun},
        min(play.starts_at for play in begun),
        max(_over_at(play) for play in begun),
        min(play.priority for play in begun),
    )
    return _ways(begun, air)


def _air(
    session: Session, villages: Collection[str], begin: datetime, end: datetime, lowest: int
) -> Air:
    heard = beside_plan.sounds(session, villages, begin, end)
    heard += beside_plan.urgent_plays(session, villages, begin, end, lowest)
    return Air(heard)


def _ways(plays: Iterable[Play], air: Air) -> Ways:
    now = utc_now()
    found: Ways = {}
    for play in plays:
        near = air.near(play.area_code, play.starts_at, _over_at(play))
        ways = giving_way.gave_way(play, near, now) if near else []
        if ways:
            found[play.id] = ways
    return found


def _that_gave_way(
    session: Session, villages: Collection[str], days: Collection[SlotDay]
) -> Iterator[tuple[int, date]]:
    """(slot, date) once for each village in which its play made way for something."""
    if not days:
        return
    first, last = min(day.starts_at for day in days), max(day.starts_at for day in days)
    lowest = min(day.slot.priority for day in days)
    air = _air(session, villages, first, last + timedelta(days=2), lowest)
    if not air.villages:
        return
    # Columns, not objects: a county has tens of thousands of plays in a week.
    plays: Any = session.execute(
        sa.select(*_OF_PLAY).where(
            Play.area_code.in_(air.villages),
            Play.starts_at.between(first, min(utc_now(), last)),
            sa.or_(Play.state.in_(("played", "published")), Play.reason.in_(giving_way.SAID_SO)),
        )
    ).all()
    ways = _ways(plays, air)
    yield from ((play.slot_id, play.local_date) for play in plays if play.id in ways)


_OF_PLAY = (
    Play.id, Play.slot_id, Play.local_date, Play.area_code, Play.priority, Play.state, Play.reason,
    Play.starts_at, Play.make_up_until, Play.duration_ms, Play.started_at, Play.ended_at,
)  # fmt: skip


def _over_at(play: Play) -> datetime:
    """When it was over, or must be."""
    if play.ended_at is not None:
        return play.ended_at
    return play.make_up_until + timedelta(milliseconds=play.duration_ms or 0)


def overlaps(
    session: Session, villages: Collection[str], first: date, last: date
) -> list[tuple[date, str, str, int]]:
    """(date, slot, other slot, villages concerned) where plays would sound over each other."""
    rows: Any = session.execute(
        sa.select(*_TO_COME, Slot.name)
        .join(Slot, Slot.id == Play.slot_id)
        .where(Play.area_code.in_(villages), Play.local_date.between(first, last))
        .where(Play.state.in_(("planned", "published")))
    ).all()
    names = {row.slot_id: row.name for row in rows}
    dates = {row.id: row.local_date for row in rows}
    found: dict[tuple[date, str, str], int] = {}
    for pair in conflicts.overlaps(conflicts.Planned(*row[:5]) for row in rows):
        key = (dates[pair.second.play_id], names[pair.first.slot_id], names[pair.second.slot_id])
        found[key] = found.get(key, 0) + 1
    return [(*key, count) for key, count in sorted(found.items())]


_TO_COME = (
    Play.id, Play.slot_id, Play.area_code, Play.starts_at, Play.duration_ms, Play.local_date,
)  # fmt: skip


def _titles(session: Session, ids: set[int]) -> dict[int, str]:
    rows = session.execute(sa.select(Episode.id, Episode.title).where(Episode.id.in_(ids)))
    return {row.id: row.title for row in rows}
