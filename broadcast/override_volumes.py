"""How loud many villages are at one hour of the day: a page of a county asks for all at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import volumes
from broadcast.models import HourVolume
from core.models import Area


def at_hour(session: Session, codes: Collection[str], hour: int) -> dict[str, int]:
    """Village code -> per cent: of each what ``volumes.by_hour`` says of that local hour."""
    set_for = {
        row.area_code: int(row.percent[hour]) for row in session.scalars(sa.select(HourVolume))
    }
    above = _above(session, codes) if set_for else {}
    return {code: _nearest(code, set_for, above, hour) for code in codes}


def _above(session: Session, codes: Collection[str]) -> dict[str, str | None]:
    """Code -> that of the area above it, for these areas and all above them."""
    found: dict[str, str | None] = {}
    level = set(codes)
    while level:
        query = sa.select(Area.code, Area.parent_code).where(Area.code.in_(level))
        found.update({code: parent for code, parent in session.execute(query)})
        level = {code for code in found.values() if code is not None} - found.keys()
    return found


def _nearest(
    code: str | None, set_for: Mapping[str, int], above: Mapping[str, str | None], hour: int
) -> int:
    while code is not None:
        if code in set_for:
            return set_for[code]
        code = above.get(code)
    return volumes.LOUD_ALL_DAY[hour]
