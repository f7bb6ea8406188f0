"""The tree of areas, and who stands under whom."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.errors import N_, InvalidInput, NotFound
from core.models import Area

LEVELS = ("province", "city", "county", "township", "village", "grid")
_CODE = re.compile(r"\d{12}")
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without 0 o 1 i l: somebody types the address of a QR code by hand."""
REPORT_CODE_LENGTH = 8


def fresh_report_code() -> str:
    """A random code for the address of a villagers' page (40 bits: nobody finds one by trying)."""
    return "".join(secrets.choice(_LETTERS) for _ in range(REPORT_CODE_LENGTH))


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
    """Add an area; raises InvalidInput that names the wrong field.

    A village gets a ``report_code`` of its own when none is given.
    """
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
        report_code=report_code or (fresh_report_code() if level == "village" else None),
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


def names(session: Session, codes: Collection[str | None]) -> dict[str, str]:
    """The names of these areas; None and unknown codes have none."""
    query = sa.select(Area.code, Area.name).where(Area.code.in_(set(codes) - {None}))
    return {code: name for code, name in session.execute(query)}


def below(session: Session, code: str) -> set[str]:
    """Codes of the area and of everything under it."""
    found, frontier = {code}, [code]
    while frontier:
        frontier = list(session.scalars(sa.select(Area.code).where(Area.parent_code.in_(frontier))))
        found.update(frontier)
    return found


def is_top(session: Session, code: str | None) -> bool:
    """Whether no area lies above this one. None: the whole installation, so nothing does."""
    return code is None or get(session, code).parent_code is None


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
