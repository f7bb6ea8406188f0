"""Areas by hand and by CSV: a file goes in as a whole or not at all."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import areas, audit
from core.auth import Actor
from core.errors import N_, InvalidInput, XiangyinError
from core.models import Area
from desk import csv_file
from desk.csv_file import ImportRefused, LineError
from desk.people import own_area_codes

COLUMNS = {
    "code": ("code", "区划代码", "代码"),
    "name": ("name", "名称"),
    "level": ("level", "级别", "层级"),
    "parent_code": ("parent_code", "上级代码", "上级"),
    "poster_code": ("poster_code", "海报代码", "海报号"),
    "latitude": ("latitude", "纬度"),
    "longitude": ("longitude", "经度"),
}
"""Field -> headings a file may use for it."""
REQUIRED = ("code", "name")
LEVELS_IN_CHINESE = {
    "省": "province", "市": "city", "县": "county", "区": "county", "镇": "township",
    "乡": "township", "街道": "township", "村": "village", "社区": "village", "网格": "grid",
}  # fmt: skip


def add(
    session: Session,
    actor: Actor,
    *,
    code: str,
    name: str,
    level: str = "village",
    parent_code: str | None = None,
    poster_code: str | None = None,
    latitude: str = "",
    longitude: str = "",
) -> Area:
    """Add one area below the administrator's own; raises InvalidInput that names the field."""
    actor.require("people.edit")
    area = _add(
        session,
        own_area_codes(session, actor),
        {
            "code": code, "name": name, "level": level, "parent_code": parent_code or "",
            "poster_code": poster_code or "", "latitude": latitude, "longitude": longitude,
        },
    )  # fmt: skip
    audit.record(session, actor.login, "area.added", f"area:{area.code}", name=area.name)
    return area


def _add(session: Session, own: set[str] | None, fields: dict[str, str]) -> Area:
    parent = fields.get("parent_code") or None
    poster = fields.get("poster_code") or None
    level = fields.get("level") or "village"
    if own is not None and parent not in own:
        raise InvalidInput(N_("Choose an area that belongs to yours."), field="parent_code")
    if poster is not None:
        poster = areas.poster_code_of(poster)
        if session.scalar(sa.select(Area.code).where(Area.poster_code == poster)) is not None:
            raise InvalidInput(N_("This poster code is taken already."), field="poster_code")
    area = areas.add(
        session,
        fields.get("code", ""),
        fields.get("name", ""),
        LEVELS_IN_CHINESE.get(level, level),
        parent,
        poster_code=poster,
        latitude=_degrees(fields.get("latitude", ""), 90, "latitude"),
        longitude=_degrees(fields.get("longitude", ""), 180, "longitude"),
    )
    if own is not None:
        own.add(area.code)
    return area


def _degrees(text: str, limit: int, field: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not -limit <= value <= limit:
        raise InvalidInput(
            N_("Give degrees between -%(limit)d and %(limit)d."),
            field=field,
            params={"limit": limit},
        )
    return value


def import_csv(session: Session, actor: Actor, data: bytes) -> int:
    """Add all areas of a CSV file; returns how many.

    Raises ImportRefused with every wrong line; the caller's savepoint then undoes the rest.
    """
    actor.require("people.edit")
    rows = csv_file.rows(data, COLUMNS, REQUIRED)
    own = own_area_codes(session, actor)
    wrong: list[LineError] = []
    for line, fields in rows:
        try:
            _add(session, own, fields)
        except XiangyinError as error:
            wrong.append(LineError(line, error))
    if wrong:
        raise ImportRefused(wrong)
    audit.record(session, actor.login, "area.imported", "area:*", count=len(rows))
    return len(rows)
