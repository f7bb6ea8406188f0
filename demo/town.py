"""竹溪镇: a fictional town of 24 villages. Codes, names, people and map are made up."""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from core import areas
from core.models import Area

PROVINCE, CITY, COUNTY, TOWN = "990000000000", "990100000000", "990102000000", "990102103000"
MAP = Path(__file__).parent / "town.geojson"
CENTRE_LATITUDE, CENTRE_LONGITUDE = 28.62, 119.83
COLUMNS, ROWS, STEP_DEGREES = 6, 4, 0.022

NAMES = (
    "石桥村", "杨梅岙村", "上溪村", "下溪村", "竹林村", "茶园村", "后山村", "前塘村",
    "樟树下村", "古井村", "新屋村", "大坪村", "小坪村", "白鹤村", "青石村", "龙潭村",
    "水碓村", "枫树岭村", "桃源村", "麦田村", "东渡村", "西河村", "南庄村", "北岭村",
)  # fmt: skip


@dataclass(frozen=True)
class Village:
    """One village of the demo town."""

    code: str
    name: str
    poster_code: str
    report_code: str
    latitude: float
    longitude: float


def villages() -> list[Village]:
    """The 24 villages, always the same."""
    found = []
    for number, name in enumerate(NAMES):
        column, row = number % COLUMNS, number // COLUMNS
        found.append(
            Village(
                code=f"990102103{200 + number:03d}",
                name=name,
                poster_code=f"{101 + number}",
                report_code=f"zx{101 + number}",
                latitude=round(CENTRE_LATITUDE + (row - 1.5) * STEP_DEGREES, 5),
                longitude=round(CENTRE_LONGITUDE + (column - 2.5) * STEP_DEGREES, 5),
            )
        )
    return found


def seed_areas(session: Session) -> None:
    """Add province, city, county, town and villages, unless they are there."""
    if session.get(Area, TOWN) is not None:
        return
    areas.add(session, PROVINCE, "示例省", "province")
    areas.add(session, CITY, "云和示例市", "city", PROVINCE)
    areas.add(session, COUNTY, "溪源县", "county", CITY)
    areas.add(session, TOWN, "竹溪镇", "township", COUNTY)
    for village in villages():
        areas.add(
            session,
            village.code,
            village.name,
            "village",
            TOWN,
            poster_code=village.poster_code,
            report_code=village.report_code,
            latitude=village.latitude,
            longitude=village.longitude,
        )


def draw_map() -> dict[str, Any]:
    """GeoJSON of the villages: a grid whose inner corners wander, so that no two look alike."""
    wander = random.Random(24)
    corners: dict[tuple[int, int], tuple[float, float]] = {}
    for row in range(ROWS + 1):
        for column in range(COLUMNS + 1):
            push = 0.3 * STEP_DEGREES
            corners[column, row] = (
                CENTRE_LONGITUDE
                + (column - COLUMNS / 2) * STEP_DEGREES
                + wander.uniform(-push, push),
                CENTRE_LATITUDE + (row - ROWS / 2) * STEP_DEGREES + wander.uniform(-push, push),
            )
    features = [_feature(number, corners) for number in range(COLUMNS * ROWS)]
    return {"type": "FeatureCollection", "name": "竹溪镇", "features": features}


def _feature(number: int, corners: dict[tuple[int, int], tuple[float, float]]) -> dict[str, Any]:
    village = villages()[number]
    column, row = number % COLUMNS, number // COLUMNS
    ring = [corners[column + dx, row + dy] for dx, dy in ((0, 0), (1, 0), (1, 1), (0, 1), (0, 0))]
    line = [point for start, end in pairwise(ring) for point in _bend(start, end)]
    return {
        "type": "Feature",
        "properties": {"code": village.code, "name": village.name},
        "geometry": {"type": "Polygon", "coordinates": [[*line, line[0]]]},
    }


def _bend(
    start: tuple[float, float], end: tuple[float, float], pieces: int = 6
) -> list[tuple[float, float]]:
    """A border as a slight wave; the same for both neighbours, whichever way it is walked."""
    low, high = sorted((start, end))
    phase = (low[0] * 1000 + low[1] * 700) % 6.28
    points = []
    for step in range(pieces):
        share = step / pieces
        at = share if start == low else 1 - share
        swing = 0.05 * STEP_DEGREES * math.sin(at * math.pi) * math.sin(phase + 6 * at)
        points.append(
            (
                round(
                    low[0] + (high[0] - low[0]) * at - (high[1] - low[1]) / STEP_DEGREES * swing, 5
                ),
                round(
                    low[1] + (high[1] - low[1]) * at + (high[0] - low[0]) / STEP_DEGREES * swing, 5
                ),
            )
        )
    return points


def write_map() -> None:
    """Write town.geojson anew."""
    MAP.write_text(
        json.dumps(draw_map(), ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8"
    )
