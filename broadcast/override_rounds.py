"""When the rounds of an override sound. Pure: no database, no clock.

A round that was missed while a player was away is made up only while it is the newest one, and
never so late that it would run into the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

PAUSE = timedelta(seconds=10)
"""Silence between two rounds, at least."""


@dataclass(frozen=True)
class Rhythm:
    """``repeat_every`` None: one round, made up until ``valid_until``.

    ``cancelled_at``: nothing begins from then on.
    """

    first_at: datetime
    valid_until: datetime
    duration: timedelta
    repeat_every: timedelta | None = None
    cancelled_at: datetime | None = None

    @property
    def over_at(self) -> datetime:
        """No round begins at or after it."""
        if self.cancelled_at is None:
            return self.valid_until
        return min(self.valid_until, self.cancelled_at)


@dataclass(frozen=True)
class Round:
    """``number`` counts from 1; it may begin from ``starts_at`` to ``make_up_until``."""

    number: int
    starts_at: datetime
    make_up_until: datetime


def shortest_repeat(duration: timedelta) -> timedelta:
    """Rounds may follow each other as fast as this."""
    return duration + PAUSE


def rounds(rhythm: Rhythm, until: datetime, after: int = 0) -> Iterator[Round]:
    """Rounds that start up to ``until``, in order, from number ``after`` + 1 on."""
    number = after + 1
    while True:
        found = _round(rhythm, number)
        if found is None or found.starts_at > until:
            return
        yield found
        if rhythm.repeat_every is None:
            return
        number += 1


def newest(rhythm: Rhythm, now: datetime) -> Round | None:
    """The last round that has started by ``now``; None before the first and once it is over."""
    if not rhythm.first_at <= now < rhythm.over_at:
        return None
    if rhythm.repeat_every is None:
        return _round(rhythm, 1)
    return _round(rhythm, (now - rhythm.first_at) // rhythm.repeat_every + 1)


def following(rhythm: Rhythm, now: datetime) -> Round | None:
    """The next round that starts after ``now``, if there is one."""
    if now < rhythm.first_at:
        return _round(rhythm, 1)
    if rhythm.repeat_every is None:
        return None
    return _round(rhythm, (now - rhythm.first_at) // rhythm.repeat_every + 2)


def _round(rhythm: Rhythm, number: int) -> Round | None:
    if rhythm.repeat_every is None:
        starts_at, until = rhythm.first_at, rhythm.valid_until
        if number != 1:
            return None
    else:
        starts_at = rhythm.first_at + (number - 1) * rhythm.repeat_every
        until = starts_at + rhythm.repeat_every - shortest_repeat(rhythm.duration)
        until = min(until, rhythm.valid_until)
    if starts_at >= rhythm.over_at:
        return None
    return Round(number, starts_at, max(starts_at, until))
