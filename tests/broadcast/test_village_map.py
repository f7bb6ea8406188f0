"""The map of the villages: each area changes its own outlines and nobody else's."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from broadcast import village_map
from core.auth import Actor
from core.database import Database
from core.errors import InvalidInput
from core.settings import Settings
from tests.schedule import town as towns
from tests.schedule.town import COUNTY, FOREIGN_VILLAGE, VILLAGES, Town

UNKNOWN = "999999999999"


@pytest.fixture
def chief(database: Database, town: Town) -> Actor:
    """Who answers for all areas."""
    with database.write() as session:
        return towns._person(session, "chief", ["administrator"], COUNTY)


def give(database: Database, config: Settings, actor: Actor, longitude: float, *codes: str) -> int:
    """Give a map on which these villages lie at a longitude."""
    features = [
        {
            "type": "Feature",
            "properties": {"code": code},
            "geometry": {"type": "Point", "coordinates": [longitude, 28.0]},
        }
        for code in codes
    ]
    data = json.dumps({"type": "FeatureCollection", "features": features}).encode()
    with database.write() as session:
        return village_map.keep(session, actor, config, data)


def kept(config: Settings) -> dict[str, float]:
    """Village -> its longitude in the file."""
    features = village_map.read(village_map.file_of(config).read_bytes())
    return {each["properties"]["code"]: each["geometry"]["coordinates"][0] for each in features}


def test_a_township_replaces_its_own_outlines_alone(
    database: Database, config: Settings, town: Town, chief: Actor
) -> None:
    assert give(database, config, chief, 100, *VILLAGES, FOREIGN_VILLAGE, UNKNOWN) == 4
    assert give(database, config, town.outsider, 101, FOREIGN_VILLAGE, VILLAGES[0], UNKNOWN) == 1
    others = dict.fromkeys([*VILLAGES, UNKNOWN], 100)
    assert kept(config) == {**others, FOREIGN_VILLAGE: 101}
    assert give(database, config, town.administrator, 102, VILLAGES[0]) == 1
    assert kept(config) == {VILLAGES[0]: 102, FOREIGN_VILLAGE: 101, UNKNOWN: 100}


def test_the_topmost_area_replaces_them_all(
    database: Database, config: Settings, town: Town, chief: Actor
) -> None:
    give(database, config, chief, 100, VILLAGES[0], UNKNOWN)
    give(database, config, chief, 101, VILLAGES[1])
    assert kept(config) == {VILLAGES[1]: 101}
    whole = replace(chief, area_code=None)
    assert give(database, config, whole, 102, VILLAGES[0], FOREIGN_VILLAGE) == 2
    assert kept(config) == {VILLAGES[0]: 102, FOREIGN_VILLAGE: 102}


def test_a_file_of_foreign_villages_changes_nothing(
    database: Database, config: Settings, town: Town, chief: Actor
) -> None:
    give(database, config, chief, 100, *VILLAGES)
    with pytest.raises(InvalidInput, match="belongs to a village here"):
        give(database, config, town.outsider, 101, *VILLAGES)
    assert kept(config) == dict.fromkeys(VILLAGES, 100)


def test_what_would_be_too_much_together_is_refused(
    database: Database, config: Settings, town: Town, chief: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(database, config, chief, 100, *VILLAGES)
    monkeypatch.setattr(village_map, "MAX_FEATURES", 3)
    with pytest.raises(InvalidInput, match="1 to 5,000"):
        give(database, config, town.outsider, 101, FOREIGN_VILLAGE)
    assert kept(config) == dict.fromkeys(VILLAGES, 100)
