"""The outlines of villages for the map: a GeoJSON file of the town's own, no map service.

Villages the file does not draw are shown as a point where their coordinates are known.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import areas, audit
from core.auth import Actor
from core.errors import N_, InvalidInput
from core.files import write_durably
from core.models import Area
from core.settings import Settings

MAX_BYTES = 5_000_000
MAX_FEATURES = 5_000
FORMS = {"Point": 0, "Polygon": 2, "MultiPolygon": 3}
"""Geometry -> how deep its positions are nested."""


def file_of(settings: Settings) -> Path:
    """Where the outlines lie; the file may be missing."""
    return settings.folder("map") / "villages.geojson"


def keep(session: Session, actor: Actor, settings: Settings, data: bytes) -> int:
    """Check and keep the outlines of the actor's villages; returns how many villages.

    They come in place of those before; outlines of other areas stay as they are, whatever the file
    says. Raises InvalidInput(field="file") that names the feature, counted from 1. Of the topmost
    area, outlines of villages that are not known (yet) are kept too, and not shown.
    """
    actor.require("speaker.edit")
    drawn = read(data)
    own = {area.code for area in areas.villages(session, actor.area_code)}
    found = sum(_code(feature) in own for feature in drawn)
    if not found:
        raise InvalidInput(
            N_("No outline of the file belongs to a village here; “code” is its area code."),
            field="file",
        )
    subject = f"area:{actor.area_code or '*'}"
    audit.record(session, actor.login, "speaker.map", subject, villages=found)
    others = _others(session, actor, own)
    # Read after the record: whoever gives a map at the same time waits there for this one.
    before = [feature for feature in _kept(settings) if others(_code(feature))]
    features = before + [feature for feature in drawn if not others(_code(feature))]
    text = json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False)
    read(text.encode())  # together they must not be too many either
    write_durably(file_of(settings), text.encode())
    return found


def _others(session: Session, actor: Actor, own: set[str]) -> Callable[[str], bool]:
    """Whether the outline of a village is not this actor's to change."""
    known = set(session.scalars(sa.select(Area.code).where(Area.level == "village")))
    is_top = areas.is_top(session, actor.area_code)
    return lambda code: code not in own and (code in known or not is_top)


def read(data: bytes) -> list[dict[str, Any]]:
    """Features with ``code`` and ``name`` of a GeoJSON FeatureCollection; nothing else of it."""
    if len(data) > MAX_BYTES:
        raise InvalidInput(N_("The map is too large: 5 MB at most."), field="file")
    try:
        told = json.loads(data)
        features = told["features"]
        if told["type"] != "FeatureCollection" or not isinstance(features, list):
            raise ValueError(told["type"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InvalidInput(N_("This is not a GeoJSON FeatureCollection."), field="file") from None
    if not 0 < len(features) <= MAX_FEATURES:
        raise InvalidInput(N_("A map has 1 to 5,000 villages."), field="file")
    return [_feature(feature, number) for number, feature in enumerate(features, 1)]


def shown(
    session: Session, actor: Actor, settings: Settings, right: str = "speaker.read"
) -> dict[str, Any]:
    """A FeatureCollection of the villages of the actor's area, as far as they can be placed.

    ``right``: what the actor needs to read it, by the page it is for.
    """
    actor.require(right)
    villages = areas.villages(session, actor.area_code) if actor.area_code else []
    outlines = {_code(feature): feature for feature in _kept(settings)}
    features = []
    for village in villages:
        drawn = outlines.get(village.code)
        if drawn is None and village.latitude is not None and village.longitude is not None:
            position = [village.longitude, village.latitude]
            drawn = {"type": "Feature", "geometry": {"type": "Point", "coordinates": position}}
        if drawn is not None:
            named = {"code": village.code, "name": village.name}
            features.append({**drawn, "properties": named})
    return {"type": "FeatureCollection", "features": features}


def _kept(settings: Settings) -> Iterable[dict[str, Any]]:
    try:
        return read(file_of(settings).read_bytes())
    except (OSError, InvalidInput):
        return ()


def _code(feature: dict[str, Any]) -> str:
    return str(feature["properties"]["code"])


def _feature(told: Any, number: int) -> dict[str, Any]:
    try:
        code, geometry = told["properties"]["code"], told["geometry"]
        form, positions = geometry["type"], geometry["coordinates"]
        if not isinstance(code, str) or not _all_positions(positions, FORMS[form]):
            raise ValueError(code)
    except (KeyError, TypeError, ValueError):
        raise InvalidInput(
            N_("Village %(number)d of the map needs a “code” and an outline in degrees."),
            field="file",
            params={"number": number},
        ) from None
    return {
        "type": "Feature",
        "properties": {"code": code},
        "geometry": {"type": form, "coordinates": positions},
    }


def _all_positions(value: Any, depth: int) -> bool:
    if not isinstance(value, list) or not value:
        return False
    if depth:
        return all(_all_positions(part, depth - 1) for part in value)
    return len(value) >= 2 and _is_degrees(value[0], 180) and _is_degrees(value[1], 90)


def _is_degrees(value: Any, limit: int) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and abs(value) <= limit
