"""The tree of areas, and who stands under whom."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.database import claimed
from core.errors import N_, Conflict, InvalidInput, NotFound
from core.models import Area

LEVELS = ("province", "city", "county", "township", "village", "grid")
_CODE = re.compile(r"\d{12}")
_POSTER_CODE = re.compile(r"[0-9]{3}")
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


def poster_code_of(typed: str) -> str:
    """Three digits as a telephone has them, else InvalidInput."""
    digits = unicodedata.normalize("NFKC", typed).strip()  # a Chinese keyboard writes １０１
    if not _POSTER_CODE.fullmatch(digits):
        raise InvalidInput(N_("The poster code must have 3 digits."), field="poster_code")
    return digits


def give_poster_code(session: Session, village: Area, digits: str, was: str | None) -> bool:
    """Let callers reach a village by these digits; False when they do already.

    InvalidInput when they are no three digits or another village of the installation has them,
    for callers of all its villages dial one hotline; Conflict when it has not ``was`` any more.
    """
    if village.level != "village":
        raise InvalidInput(N_("Only a village has a poster code."), field="poster_code")
    digits = poster_code_of(digits)
    if digits == village.poster_code:
        return False
    _require_free(session, digits)
    try:
        with session.begin_nested():
            given = session.execute(
                sa.update(Area)
                .where(Area.code == village.code, Area.poster_code.is_not_distinct_from(was))
                .values(poster_code=digits)
                .execution_options(synchronize_session=False)
            )
    except sa.exc.IntegrityError:  # another village got them this moment
        _require_free(session, digits)
        raise
    session.refresh(village)
    if not claimed(given):
        raise Conflict(
            N_("Somebody else has changed this code meanwhile. Look at it and try again."),
            field="poster_code",
        )
    return True


def _require_free(session: Session, poster_code: str) -> None:
    holder = session.scalar(sa.select(Area).where(Area.poster_code == poster_code))
    if holder is None:
        return
    above = session.get(Area, holder.parent_code) if holder.parent_code else None
    raise InvalidInput(
        N_("%(village)s (%(above)s) has the poster code %(digits)s. Choose another one."),
        field="poster_code",
        params={
            "digits": poster_code,
            "village": holder.name,
            "above": above.name if above else holder.code,
        },
    )


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
