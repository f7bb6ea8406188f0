"""When a slot occurs: pure calendar arithmetic, no database and no clock.

People plan wall time in a zone. Where the clock is turned, two rules make each occurrence one
instant: a wall time that the change leaps over is heard as much later as the leap is long
(02:30 becomes 03:30), and a wall time that comes twice is heard the first time only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Recurrence:
    """What people planned. ``weekdays`` are ISO numbers, 1 (Monday) - 7; both dates included."""

    local_time: time
    zone: str
    weekdays: Collection[int]
    first_date: date
    last_date: date


@dataclass(frozen=True)
class Occurrence:
    """One local date of a slot and the instant (UTC) at which it starts."""

    local_date: date
    starts_at: datetime


def instant(local_date: date, local_time: time, zone: str) -> datetime | None:
    """The instant (UTC) of a wall time; None when the zone's calendar leaps over that date."""
    wall = datetime.combine(local_date, local_time, tzinfo=ZoneInfo(zone))  # fold=0: the first
    resolved = wall.astimezone(UTC)
    return resolved if resolved.astimezone(ZoneInfo(zone)).date() == local_date else None


def midnight(day: date, zone: str, *, days_later: int = 0) -> datetime:
    """The instant (UTC) at which ``day`` (or a later one) begins on the town's calendar."""
    begin = datetime.combine(day + days_later * ONE_DAY, time.min, tzinfo=ZoneInfo(zone))
    return begin.astimezone(UTC)


def local_date_of(moment: datetime, zone: str) -> date:
    """The date on the town's calendar at ``moment``."""
    return moment.astimezone(ZoneInfo(zone)).date()


def occurrences(recurrence: Recurrence, first: date, last: date) -> Iterator[Occurrence]:
    """Occurrences on local dates from ``first`` to ``last`` (both included), in order."""
    day = max(first, recurrence.first_date)
    end = min(last, recurrence.last_date)
    while day <= end:
        if day.isoweekday() in recurrence.weekdays:
            starts_at = instant(day, recurrence.local_time, recurrence.zone)
            if starts_at is not None:
                yield Occurrence(day, starts_at)
        day += ONE_DAY


def next_start(recurrence: Recurrence, after: datetime) -> datetime | None:
    """The first start later than ``after`` (UTC), or None when the slot is over by then."""
    today = local_date_of(after, recurrence.zone)
    for found in occurrences(recurrence, today, recurrence.last_date):
        if found.starts_at > after:
            return found.starts_at
    return None
