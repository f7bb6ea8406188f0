"""Plays for the days to come: rows made ahead, kept in step with slots and approvals.

Everything here may run again at any time: a second run finds nothing to do. A play that has
started, or whose result is known, is never touched; when its slot is ended it is merely no longer
made up (schedule.begun).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from core import id_floor, outbox
from core.clock import utc_now
from recordings.models import Clip, Episode
from schedule import begun, rundown, slots
from schedule.models import Play, Slot, SlotVillage

LOOK_BACK = timedelta(days=31)
"""How far back days are explained on which the server did not run."""

NOT_PLANNED = "not_planned"
_NOTHING = (None, None, None)


@dataclass(frozen=True)
class _Wanted:
    """What a play of one date should hold."""

    starts_at: datetime
    make_up_until: datetime
    episode_id: int | None
    clip_sha256: str | None
    duration_ms: int | None
    priority: int
    volume_percent: int
    on_interrupt: str

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
    """Whether ``plan_slot`` would find nothing to do (reads only).

    It is asked each minute: plays that are alike are counted, not read one by one.
    """
    slot = session.get(Slot, slot_id)
    if slot is None:
        return True
    now = utc_now()
    alike = _alike(session, slot, now)
    wanted = _wanted(session, slot, now, until, [row.local_date for row in alike])
    villages = len(slots.villages(session, slot.id)) if slot.active else 0
    changes, known = _Changes(), Counter[date]()
    for row in alike:
        known[row.local_date] += row.number if row.has_village else 0
        if row.untouched:
            _judge(changes, row, wanted.get(row.local_date) if row.has_village else None, now)
    if changes or (not slot.active and begun.made_up_too_long(session, slot_id, now)):
        return False
    days = [day for day, target in wanted.items() if target.starts_at <= until]
    return all(known[day] == villages for day in days)


def plan_slot(session: Session, slot_id: int, until: datetime) -> int:
    """Bring the plays of one slot up to date; emits plays.planned {slot_id, area_codes}."""
    slot = session.get(Slot, slot_id, with_for_update=True)
    if slot is None:
        return 0
    now = utc_now()
    changes = _compare(session, slot, until)
    no_longer_made_up = [] if slot.active else begun.end_making_up(session, slot_id, now)
    if not changes and not no_longer_made_up:
        return 0
    if changes.insert:
        session.execute(_insert_new(session), _numbered(session, changes.insert))
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
    concerned = sorted(changes.areas.union(no_longer_made_up))
    outbox.emit(session, "plays.planned", slot_id=slot_id, area_codes=concerned)
    changed = len(changes.insert) + len(changes.cancel) + sum(map(len, changes.update.values()))
    return changed + len(no_longer_made_up)


def _insert_new(session: Session) -> Any:
    dialect = session.get_bind().dialect.name
    insert = postgresql.insert(Play) if dialect == "postgresql" else sqlite.insert(Play)
    return insert.on_conflict_do_nothing(index_elements=["slot_id", "area_code", "local_date"])


def highest_given(session: Session) -> int:
    """The highest number that a play has, or may have had before a backup was restored."""
    highest = session.scalar(sa.select(sa.func.max(Play.id))) or 0
    return max(highest, id_floor.value(session, Play.__tablename__))


def _numbered(session: Session, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """SQLite counts on from its highest row, which may lie below the floor; a sequence does not."""
    floor = id_floor.value(session, Play.__tablename__)
    if session.get_bind().dialect.name != "sqlite" or highest_given(session) > floor:
        return rows
    return [{"id": number, **row} for number, row in enumerate(rows, floor + 1)]


def _still_open(ids: list[int], now: datetime) -> sa.Update:
    return (
        sa.update(Play)
        .where(Play.id.in_(ids), begun.untouched(now))
        .execution_options(synchronize_session=False)
    )


def _compare(session: Session, slot: Slot, until: datetime) -> _Changes:
    now = utc_now()
    rows: Sequence[Any] = session.execute(_plays(slot, now)).all()
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


def _plays(slot: Slot, now: datetime) -> sa.Select[*tuple[Any, ...]]:
    """Plays of a slot that are looked at."""
    return sa.select(
        Play.id,
        Play.area_code,
        Play.local_date,
        Play.state,
        Play.starts_at,
        Play.make_up_until,
        Play.episode_id,
        Play.clip_sha256,
        Play.duration_ms,
        Play.priority,
        Play.volume_percent,
        Play.on_interrupt,
        begun.untouched(now).label("untouched"),
    ).where(Play.slot_id == slot.id, Play.starts_at > now - LOOK_BACK)


def _alike(session: Session, slot: Slot, now: datetime) -> Sequence[Any]:
    """The same plays as one row for all that differ in nothing but their village: ``number`` of
    them, ``id`` and ``area_code`` of one; ``has_village``: the slot is for their villages."""
    is_for = sa.and_(SlotVillage.slot_id == Play.slot_id, SlotVillage.area_code == Play.area_code)
    has_village = SlotVillage.area_code.is_not(None).label("has_village")
    each = _plays(slot, now).outerjoin(SlotVillage, is_for).add_columns(has_village).subquery()
    same = [column for column in each.c if column.key not in ("id", "area_code")]
    return session.execute(
        sa.select(
            *same,
            sa.func.min(each.c.id).label("id"),
            sa.func.min(each.c.area_code).label("area_code"),
            sa.func.count().label("number"),
        ).group_by(*same)
    ).all()


def _judge(changes: _Changes, row: Any, target: _Wanted | None, now: datetime) -> None:
    if target is None:
        if row.state != "cancelled" and row.starts_at > now:
            changes.cancel.append(row.id)
            changes.areas.add(row.area_code)
        return
    present = _Wanted(**{name: getattr(row, name) for name in target.values()})
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
    episode_id, clip_sha256, duration_ms = newest_approved(session, slot.programme_id) or _NOTHING
    return {
        found.local_date: _Wanted(
            found.starts_at,
            found.starts_at + timedelta(minutes=slot.make_up_minutes),
            episode_id,
            clip_sha256,
            duration_ms,
            slot.priority,
            slot.volume_percent,
            slot.on_interrupt,
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
