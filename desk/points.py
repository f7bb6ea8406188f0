"""Where QR codes hang: each village has one of its own; buildings and groups may have more.

A code that was printed once stays good for ever: points are switched off, never removed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases.models import ReportPoint
from core import areas, audit
from core.areas import fresh_report_code
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, Conflict, InvalidInput, NotFound
from core.models import Area

HOUSEHOLDS_PER_POINT = 30
MAX_GROUPS = 200
MAX_LABEL = 60
MAX_HOUSEHOLDS = 10_000


@dataclass(frozen=True)
class Place:
    """A village with its points, those switched off at the end."""

    village: Area
    points: list[ReportPoint]

    @property
    def in_use(self) -> list[ReportPoint]:
        return [point for point in self.points if point.active]


def places(session: Session, actor: Actor, within: str | None = None) -> list[Place]:
    """Villages of the own area (below ``within``) by code. NotFound outside it."""
    actor.require("sheet.print")
    top = within or actor.area_code
    if within is not None and actor.area_code is not None:
        actor.require_area(session, within)
    villages = areas.villages(session, top)
    query = (
        sa.select(ReportPoint)
        .where(ReportPoint.village_code.in_([village.code for village in villages]))
        .order_by(sa.not_(ReportPoint.active), ReportPoint.created_at, ReportPoint.label)
    )
    points: dict[str, list[ReportPoint]] = {village.code: [] for village in villages}
    for point in session.scalars(query):
        points[point.village_code].append(point)
    return [Place(village, points[village.code]) for village in villages]


def give_codes(session: Session, villages: list[Area]) -> None:
    """Villages of older installations may lack the code of their page."""
    for village in villages:
        if village.report_code is None:
            village.report_code = fresh_report_code()
    session.flush()


def add(
    session: Session, actor: Actor, village_code: str, label: str, households: str = ""
) -> ReportPoint:
    """One more point. InvalidInput names label or households; the label is the village's own."""
    village = _village(session, actor, village_code)
    label = re.sub(r"\s+", " ", label).strip()
    if not label or len(label) > MAX_LABEL:
        raise InvalidInput(
            N_("Name the building or the houses in up to %(limit)d characters."),
            field="label",
            params={"limit": MAX_LABEL},
        )
    if label in _labels(session, village.code):
        raise InvalidInput(N_("This village has a code of that name already."), field="label")
    point = _new(session, village, label, _count(households))
    audit.record(session, actor.login, "point.added", f"area:{village.code}", label=label)
    return point


def add_groups(
    session: Session, actor: Actor, village_code: str, households: str
) -> list[ReportPoint]:
    """One point for every 30 households of a village, named 第1组, 第2组 …; known ones stay."""
    village = _village(session, actor, village_code)
    total = _count(households)
    if total is None:
        raise InvalidInput(N_("Say how many households the village has."), field="households")
    groups = -(-total // HOUSEHOLDS_PER_POINT)
    if groups > MAX_GROUPS:
        raise InvalidInput(
            N_("That would be more than %(limit)d codes for one village. Check the number."),
            field="households",
            params={"limit": MAX_GROUPS},
        )
    known = _labels(session, village.code)
    labels = [f"第{number}组" for number in range(1, groups + 1)]
    made = [
        _new(session, village, label, HOUSEHOLDS_PER_POINT)
        for label in labels
        if label not in known
    ]
    audit.record(
        session,
        actor.login,
        "point.groups",
        f"area:{village.code}",
        households=total,
        new=len(made),
    )
    return made


def switch(session: Session, actor: Actor, code: str, *, active: bool) -> ReportPoint:
    """Stop printing a point, or print it again. Its address goes on working."""
    point = session.get(ReportPoint, code)
    if point is None:
        raise NotFound(N_("There is no such thing here."))
    _village(session, actor, point.village_code)
    if point.active == active:
        raise Conflict(N_("Somebody did that already."))
    point.active = active
    audit.record(
        session, actor.login, "point.switched", f"area:{point.village_code}",
        label=point.label, active=active,
    )  # fmt: skip
    return point


def _village(session: Session, actor: Actor, code: str) -> Area:
    actor.require("sheet.edit")
    if actor.area_code is not None:
        actor.require_area(session, code)
    village = areas.get(session, code)
    if village.level != "village":
        raise InvalidInput(N_("Choose a village."), field="village_code")
    return village


def _labels(session: Session, village_code: str) -> set[str]:
    return set(
        session.scalars(
            sa.select(ReportPoint.label).where(ReportPoint.village_code == village_code)
        )
    )


def _count(text: str) -> int | None:
    text = text.strip()
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_HOUSEHOLDS:
        raise InvalidInput(
            N_("Give a number from 1 to %(limit)d, or leave the field empty."),
            field="households",
            params={"limit": MAX_HOUSEHOLDS},
        )
    return int(text)


def _new(session: Session, village: Area, label: str, households: int | None) -> ReportPoint:
    point = ReportPoint(
        code=fresh_report_code(),
        village_code=village.code,
        label=label,
        households=households,
        created_at=utc_now(),
    )
    session.add(point)
    session.flush()
    return point
