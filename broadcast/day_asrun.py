"""One local date: everything the loudspeakers said, planned or not, in the order of time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import asrun, beside_plan
from broadcast.asrun import Line, SlotDay
from broadcast.beside_plan import Beside, Sounded
from core.models import Area
from recordings.models import Episode
from schedule.models import Play, Slot


@dataclass(frozen=True)
class OfVillage:
    """Something one village heard or should have heard: a play (``line``) or a ``sound``."""

    at: datetime
    slot: Slot | None = None
    line: Line | None = None
    episode_title: str | None = None
    sound: Sounded | None = None


@dataclass(frozen=True)
class OfAll:
    """The same for many villages together."""

    at: datetime
    slot_day: SlotDay | None = None
    beside: Beside | None = None


def of_village(session: Session, village: Area, day: date, zone: str) -> list[OfVillage]:
    """What one village heard, each round by itself."""
    rows = session.execute(
        sa.select(Play, Slot, Episode.title)
        .join(Slot, Slot.id == Play.slot_id)
        .outerjoin(Episode, Episode.id == Play.episode_id)
        .where(Play.area_code == village.code, Play.local_date == day)
    ).all()
    ways = asrun.gave_way(session, [play for play, _, _ in rows])
    found = [
        OfVillage(
            at=play.started_at or play.starts_at,
            slot=slot,
            line=asrun.line(play, village.name, ways),
            episode_title=title,
        )
        for play, slot, title in rows
    ]
    for beside in beside_plan.by_day(session, [village.code], day, day, zone):
        found += [OfVillage(at=sound.started_at, sound=sound) for sound in beside.sounds]
    return sorted(found, key=lambda each: each.at)


def of_all(session: Session, villages: Collection[str], day: date, zone: str) -> list[OfAll]:
    """What the villages heard, each slot and each source once."""
    return together(
        asrun.week(session, villages, day, day),
        beside_plan.by_day(session, villages, day, day, zone),
    )


def together(slot_days: Collection[SlotDay], beside: Collection[Beside]) -> list[OfAll]:
    """Planned and not, of one date, in the order of time."""
    found = [OfAll(each.starts_at, slot_day=each) for each in slot_days]
    found += [OfAll(each.starts_at, beside=each) for each in beside]
    return sorted(found, key=lambda each: each.at)
