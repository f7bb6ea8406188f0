"""Plays for the days to come: rows made ahead, kept in step with slots and approvals.

Everything here may run again at any time: a second run finds nothing to do. A play that has
started, or whose result is known, is never touched.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core import outbox
from core.clock import utc_now
from recordings.models import Clip, Episode
from schedule import rundown, slots
from schedule.models import Play, Slot

LOOK_BACK = timedelta(days=31)
"""How far back days are explained on which the server did not run."""

NOT_PLANNED = "not_planned"
OPEN_STATES = ("planned", "published")


@dataclass(frozen=True)
class _Wanted:
    """What a play of one date should hold."""

    starts_at: datetime
    make_up_until: datetime
    episode_id: int | None
    clip_sha256: str | None
    duration_ms: int | None

    def values(self) -> dict[str, Any]:
        return dict(self.__dict__)


@dataclass
class _Changes:
    insert: list[dict[str, Any]] = field(default_factory=list)
    update: dict[_Wanted, list[int]] = field(default_factory=lambda: defaultdict(list))
    cancel: list[int] = field(default_factory=list)
    areas: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.insert or self.update or self.cancel)


def make_plays(session: Session, until: datetime) -> int:
    """Make or mend the plays of all slots that start up to ``until``; returns how many changed."""
    ids = slot_ids(session)
    return sum(plan_slot(session, slot_id, until) for slot_id in ids)


def slot_ids(session: Session) -> list[int]:
    """Slots that may still need plays."""
    oldest = (utc_now() - LOOK_BACK).date()
    return list(
        session.scalars(
            sa.select(Slot.id).where(Slot.active, Slot.last_date >= oldest).order_by(Slot.id)
        )
    )


def slot_ids_of_programme(session: Session, programme_id: int) -> list[int]:
    """Active slots in which a programme airs."""
    return list(
        session.scalars(sa.select(Slot.id).where(Slot.active, Slot.programme_id == programme_id))
    )


def is_settled(session: Session, slot_id: int, until: datetime) -> bool:
    """Whether ``plan_slot`` would find nothing to do (reads only)."""
    slot = session.get(Slot, slot_id)
    return slot is None or not _compare(session, slot, until)


def plan_slot(session: Session, slot_id: int, until: datetime) -> int:
    """Bring the plays of one slot up to date; emits plays.planned {slot_id, area_codes}."""
    slot = session.get(Slot, slot_id, with_for_update=True)
    if slot is None:
        return 0
    changes = _compare(session, slot, until)
    if not changes:
        return 0
    if changes.insert:
        session.execute(_insert_new(session), changes.insert)
    now = utc_now()
    for wanted, ids in changes.update.items():
        session.execute(
            _still_open(ids, now).values(
                **wanted.values(), state="planned", reason=None, revision=Play.revision + 1
            )
        )
    if changes.cancel:
        session.execute(
            _still_open(changes.cancel, now).values(state="cancelled", revision=Play.revision + 1)
        )
    outbox.emit(session, "plays.planned", slot_id=slot_id, area_codes=sorted(changes.areas))
    return len(changes.insert) + len(changes.cancel) + sum(map(len, changes.update.values()))


def _insert_new(session: Session) -> Any:
    dialect = session.get_bind().dialect.name
    insert = postgresql.insert(Play) if dialect == "postgresql" else sqlite.insert(Play)
    return insert.on_conflict_do_nothing(index_elements=["slot_id", "area_code", "local_date"])


def _untouched(now: datetime) -> sa.ColumnElement[bool]:
    """Not started: it lies ahead, or it never had anything to play and may still be made up."""
    return sa.or_(
        Play.state == "cancelled",
        sa.and_(
            Play.state.in_(OPEN_STATES),
            sa.or_(
                Play.starts_at > now,
                sa.and_(Play.episode_id.is_(None), Play.make_up_until > now),
            ),
        ),
    )


def _still_open(ids: list[int], now: datetime) -> sa.Update:
    return (
        sa.update(Play)
        .where(Play.id.in_(ids), _untouched(now))
        .execution_options(synchronize_session=False)
    )


def _compare(session: Session, slot: Slot, until: datetime) -> _Changes:
    now = utc_now()
    rows = session.execute(
        sa.select(
            Play.id,
            Play.area_code,
            Play.local_date,
            Play.state,
            Play.starts_at,
            Play.make_up_until,
            Play.episode_id,
            Play.clip_sha256,
            Play.duration_ms,
            _untouched(now).label("untouched"),
        ).where(Play.slot_id == slot.id, Play.starts_at > now - LOOK_BACK)
    ).all()
    wanted = _wanted(session, slot, now, until, [row.local_date for row in rows])
    villages = slots.villages(session, slot.id) if slot.active else []
    changes, known = _Changes(), set()
    for row in rows:
        known.add((row.area_code, row.local_date))
        if row.untouched:
            target = wanted.get(row.local_date) if row.area_code in villages else None
            _judge(changes, row, target, now)
    for day, target in wanted.items():
        if target.starts_at <= until:
            fresh = [code for code in villages if (code, day) not in known]
            changes.areas.update(fresh)
            changes.insert.extend(_row(slot, code, day, target, now) for code in fresh)
    return changes


def _judge(changes: _Changes, row: Any, target: _Wanted | None, now: datetime) -> None:
    if target is None:
        if row.state != "cancelled" and row.starts_at > now:
            changes.cancel.append(row.id)
            changes.areas.add(row.area_code)
        return
    present = _Wanted(
        row.starts_at, row.make_up_until, row.episode_id, row.clip_sha256, row.duration_ms
    )
    if (row.state == "cancelled" or target != present) and target.make_up_until > now:
        changes.update[target].append(row.id)
        changes.areas.add(row.area_code)


def _row(slot: Slot, area_code: str, day: date, target: _Wanted, now: datetime) -> dict[str, Any]:
    over = target.make_up_until <= now and target.starts_at <= now
    return {
        "slot_id": slot.id,
        "area_code": area_code,
        "local_date": day,
        **target.values(),
        "priority": 50,
        "state": "missed" if over else "planned",
        "reason": NOT_PLANNED if over else None,
        "revision": 1,
    }


def _wanted(
    session: Session, slot: Slot, now: datetime, until: datetime, known_dates: list[date]
) -> dict[date, _Wanted]:
    if not slot.active:
        return {}
    last = max([rundown.local_date_of(until, slot.zone), *known_dates])
    first = rundown.local_date_of(max(slot.effective_from, now - LOOK_BACK), slot.zone)
    episode = newest_approved(session, slot.programme_id)
    return {
        found.local_date: _Wanted(
            found.starts_at,
            found.starts_at + timedelta(minutes=slot.make_up_minutes),
            *(episode or (None, None, None)),
        )
        for found in rundown.occurrences(slots.recurrence(slot), first, last)
        if found.starts_at > slot.effective_from and found.starts_at > now - LOOK_BACK
    }


def newest_approved(session: Session, programme_id: int) -> tuple[int, str, int] | None:
    """(episode id, delivery clip, duration_ms) of the edition that airs next, if any."""
    found = session.execute(
        sa.select(Episode.id, Clip.sha256, Clip.duration_ms)
        .join(Clip, Clip.sha256 == Episode.delivery_sha256)
        .where(Episode.programme_id == programme_id, Episode.state == "approved")
        .order_by(Episode.number.desc())
        .limit(1)
    ).first()
    return None if found is None else (found[0], found[1], found[2])
