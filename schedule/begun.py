"""Plays whose time has come: which of them stay as they are, and how they end with their slot.

Nobody knows here whether such a play sounds in its village at this moment, and a list that no
longer names it cuts it off. So a play whose slot is ended stays listed for as long as it can sound,
and no village begins it later than that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import utc_now
from schedule.models import Play

OPEN_STATES = ("planned", "published")
SLACK = timedelta(seconds=30)
"""Players begin a little late at times, and a sound may be a little longer than it says."""


def untouched(now: datetime) -> sa.ColumnElement[bool]:
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


def villages(session: Session, slot_id: int, local_date: date) -> set[str]:
    """Codes of those in which the slot's play of that date stays as it is."""
    of_date = sa.and_(Play.slot_id == slot_id, Play.local_date == local_date)
    query = sa.select(Play.area_code).where(of_date, sa.not_(untouched(utc_now())))
    return set(session.scalars(query))


def last_start(session: Session, slot_id: int) -> datetime | None:
    """Until when a village may still begin such a play of the slot; None when none may."""
    latest = sa.select(sa.func.max(Play.make_up_until))
    return session.scalar(latest.where(*_may_be_made_up(slot_id, utc_now())))


def made_up_too_long(
    session: Session, slot_id: int, now: datetime
) -> Mapping[datetime, Mapping[int, str]]:
    """Plays of an ended slot that may be begun for longer than one that sounds now goes on, by the
    time that is enough: id -> village."""
    found: dict[datetime, dict[int, str]] = defaultdict(dict)
    rows = session.execute(
        sa.select(Play.id, Play.area_code, Play.duration_ms, Play.make_up_until).where(
            *_may_be_made_up(slot_id, now)
        )
    )
    for row in rows:
        enough = now + timedelta(milliseconds=row.duration_ms or 0) + SLACK
        if row.make_up_until > enough:
            found[enough][row.id] = row.area_code
    return found


def end_making_up(session: Session, slot_id: int, now: datetime) -> list[str]:
    """Let no village begin plays of an ended slot for longer than that; the village of each."""
    concerned = made_up_too_long(session, slot_id, now)
    for enough, plays in concerned.items():
        session.execute(
            sa.update(Play)
            .where(Play.id.in_(plays), Play.state.in_(OPEN_STATES))
            .values(make_up_until=enough, revision=Play.revision + 1)
            .execution_options(synchronize_session=False)
        )
    return [code for plays in concerned.values() for code in plays.values()]


def _may_be_made_up(slot_id: int, now: datetime) -> list[sa.ColumnElement[bool]]:
    return [
        Play.slot_id == slot_id,
        Play.state.in_(OPEN_STATES),
        Play.clip_sha256.is_not(None),
        Play.starts_at <= now,
        Play.make_up_until > now,
    ]
