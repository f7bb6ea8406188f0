"""The tree of areas, and who stands under whom."""

from __future__ import annotations

import re

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.errors import N_, InvalidInput, NotFound
from core.models import Area

LEVELS = ("province", "city", "county", "township", "village", "grid")
_CODE = re.compile(r"\d{12}")


def add(
    session: Session,
    code: str,
    name: str,
    level: str,
    parent_code: str | None = None,
    *,
    poster_code: str | None = None,
    report_code: str | None = None,
    latitude: float | None = None,
    longitude: float | None = None,
) -> Area:
    """Add an area; raises InvalidInput that names the wrong field."""
    if not _CODE.fullmatch(code):
        raise InvalidInput(N_("The area code must have 12 digits."), field="code")
    if level not in LEVELS:
        raise InvalidInput(N_("Choose a level of the list."), field="level")
    if not name.strip():
        raise InvalidInput(N_("Give the area a name."), field="name")
    if session.get(Area, code) is not None:
        raise InvalidInput(N_("This area code is taken already."), field="code")
    if parent_code and session.get(Area, parent_code) is None:
        raise InvalidInput(N_("The area above this one is not known."), field="parent_code")
    area = Area(
        code=code,
        name=name.strip(),
        level=level,
        parent_code=parent_code,
        poster_code=poster_code,
        report_code=report_code,
        latitude=latitude,
        longitude=longitude,
    )
    session.add(area)
    session.flush()
    return area


def get(session: Session, code: str) -> Area:
    """The area, else NotFound."""
    area = session.get(Area, code)
    if area is None:
        raise NotFound(N_("There is no such area."))
    return area


def below(session: Session, code: str) -> set[str]:
    """Codes of the area and of everything under it."""
    found, frontier = {code}, [code]
    while frontier:
        frontier = list(session.scalars(sa.select(Area.code).where(Area.parent_code.in_(frontier))))
        found.update(frontier)
    return found


def upward(session: Session, code: str | None) -> list[str]:
    """Codes of the area and of all above it, the own one first; nothing for None or unknown."""
    found: list[str] = []
    while code is not None and code not in found:
        area = session.get(Area, code)
        if area is None:
            break
        found.append(code)
        code = area.parent_code
    return found


def villages(session: Session, within: str | None = None) -> list[Area]:
    """All villages (below ``within``), by code."""
    query = sa.select(Area).where(Area.level == "village").order_by(Area.code)
    if within is not None:
        query = query.where(Area.code.in_(below(session, within)))
    return list(session.scalars(query))
