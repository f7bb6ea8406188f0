"""静音: a village head's order that nothing is played in the village for a while.

Plays that would start within it are left out of what players are told, and what players already
hold is withdrawn; a play that is sounding goes on to its end. A play from before is not made up
while it is quiet. Emergency overrides are not bound by it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import areas, audit, outbox
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, InvalidInput, NotFound
from core.models import Area
from schedule.models import Play, VillageQuiet

REASON = "village_quiet"
"""Reason of a play that was left out, open or closed as missed."""
CHANGED = "quiet.changed"
"""News: {area_code}."""
LONGEST = timedelta(hours=24)
MORNING = time(6, 0)
OPEN_STATES = ("planned", "published")


def order(
    session: Session, actor: Actor, area_code: str, until: datetime, channel: str
) -> VillageQuiet:
    """Quiet from now until ``until``, in place of one that runs already.

    ``channel``: phone or page. NotFound outside the own area, InvalidInput(field="until") for an
    end that has passed or lies more than 24 hours ahead.
    """
    village = _village(session, actor, area_code)
    now = utc_now()
    if not now < until <= now + LONGEST:
        raise InvalidInput(N_("Quiet lasts at most 24 hours."), field="until")
    _end_running(session, village.code, now)
    quiet = VillageQuiet(
        area_code=village.code,
        starts_at=now,
        ends_at=until,
        ordered_by_id=actor.id,
        channel=channel,
        created_at=now,
    )
    session.add(quiet)
    session.flush()
    audit.record(
        session,
        actor.login,
        "quiet.ordered",
        f"area:{village.code}",
        until=until.isoformat(),
        channel=channel,
    )
    _tell(session, village.code)
    return quiet


def lift(session: Session, actor: Actor, area_code: str, channel: str) -> bool:
    """End the quiet now; False when there was none."""
    village = _village(session, actor, area_code)
    if not _end_running(session, village.code, utc_now()):
        return False
    audit.record(session, actor.login, "quiet.lifted", f"area:{village.code}", channel=channel)
    _tell(session, village.code)
    return True


def running(session: Session, area_code: str) -> VillageQuiet | None:
    """The quiet of this moment, if any."""
    return running_in(session, [area_code]).get(area_code)


def running_in(session: Session, area_codes: Collection[str]) -> dict[str, VillageQuiet]:
    """Code of each of these villages that is quiet now -> the order."""
    now = utc_now()
    rows = session.scalars(
        sa.select(VillageQuiet)
        .where(VillageQuiet.area_code.in_(area_codes), VillageQuiet.lifted_at.is_(None))
        .where(VillageQuiet.starts_at <= now, VillageQuiet.ends_at > now)
        .order_by(VillageQuiet.id)
    )
    return {quiet.area_code: quiet for quiet in rows}


def until_morning(zone: str) -> datetime:
    """The next 06:00 of the town's clock."""
    now = utc_now().astimezone(ZoneInfo(zone))
    morning = datetime.combine(now.date(), MORNING, now.tzinfo)
    return morning if morning > now else morning + timedelta(days=1)


def binds(
    area_code: sa.ColumnElement[str] | Any = Play.area_code,
    starts_at: sa.ColumnElement[datetime] | Any = Play.starts_at,
) -> sa.ColumnElement[bool]:
    """SQL condition on Play (or on these columns): it would start while its village is quiet."""
    return (
        sa.select(VillageQuiet.id)
        .where(
            VillageQuiet.area_code == area_code,
            VillageQuiet.starts_at <= starts_at,
            sa.func.coalesce(VillageQuiet.lifted_at, VillageQuiet.ends_at) > starts_at,
        )
        .exists()
    )


def made_up_until(session: Session, area_code: str, now: datetime) -> datetime | None:
    """Plays from before the quiet of this moment may be made up until then; None: no quiet."""
    return session.scalar(
        sa.select(sa.func.min(VillageQuiet.starts_at)).where(
            *_valid(area_code), VillageQuiet.starts_at <= now, VillageQuiet.ends_at > now
        )
    )


def mark(session: Session, area_code: str) -> None:
    """Let the open plays of a village say that they are left out, or no longer are."""
    mine = (Play.area_code == area_code, Play.state.in_(OPEN_STATES))
    for condition, reason in (
        (sa.and_(binds(), Play.reason.is_(None)), REASON),
        (sa.and_(sa.not_(binds()), Play.reason == REASON), None),
    ):
        session.execute(
            sa.update(Play)
            .where(*mine, condition)
            .values(reason=reason)
            .execution_options(synchronize_session=False)
        )


def _valid(area_code: str) -> tuple[sa.ColumnElement[bool], ...]:
    return (VillageQuiet.area_code == area_code, VillageQuiet.lifted_at.is_(None))


def _end_running(session: Session, area_code: str, now: datetime) -> bool:
    ended = session.execute(
        sa.update(VillageQuiet)
        .where(*_valid(area_code), VillageQuiet.ends_at > now)
        .values(lifted_at=now)
        .execution_options(synchronize_session=False)
    )
    return getattr(ended, "rowcount", 0) > 0


def _village(session: Session, actor: Actor, area_code: str) -> Area:
    actor.require("quiet.order")
    village = areas.get(session, area_code)
    actor.require_area(session, village.code)
    if village.level != "village":
        raise NotFound(N_("There is no such village in your area."))
    session.execute(sa.select(Area.code).where(Area.code == area_code).with_for_update())
    return village


def _tell(session: Session, area_code: str) -> None:
    mark(session, area_code)
    outbox.emit(session, CHANGED, area_code=area_code)
