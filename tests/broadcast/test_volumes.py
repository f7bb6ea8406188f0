"""Volume by hour comes from the nearest area that has numbers; wrong numbers name their hour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from broadcast import volumes
from broadcast.models import ManifestVersion, Player
from core.database import Database
from core.errors import Forbidden, InvalidInput
from tests.broadcast.box import Box
from tests.schedule.town import TOWNSHIP, VILLAGES, Town

NIGHT = [str(percent) for percent in volumes.NIGHT_QUIET]
HALF = ["50"] * 24


def test_where_nobody_set_any_it_is_loud_all_day(database: Database, town: Town) -> None:
    with database.read() as session:
        assert volumes.by_hour(session, VILLAGES[0]) == volumes.Hours((100,) * 24, None)


def test_the_nearest_area_above_counts(database: Database, town: Town) -> None:
    with database.write() as session:
        volumes.set_by_hour(session, town.administrator, TOWNSHIP, NIGHT)
        volumes.set_by_hour(session, town.administrator, VILLAGES[1], HALF)
    with database.read() as session:
        assert volumes.by_hour(session, VILLAGES[0]) == volumes.Hours(volumes.NIGHT_QUIET, TOWNSHIP)
        assert volumes.by_hour(session, VILLAGES[1]).percent == (50,) * 24
    with database.write() as session:
        volumes.forget_by_hour(session, town.administrator, VILLAGES[1])
    with database.read() as session:
        assert volumes.by_hour(session, VILLAGES[1]).set_by == TOWNSHIP


@pytest.mark.parametrize("wrong", ["", "101", "-1", "5.5", "loud", "１００", "0000", "²"])
def test_a_wrong_number_names_its_hour_and_nothing_is_stored(
    database: Database, town: Town, wrong: str
) -> None:
    with pytest.raises(InvalidInput) as caught, database.write() as session:
        volumes.set_by_hour(session, town.administrator, TOWNSHIP, [*HALF[:7], wrong, *HALF[8:]])
    assert caught.value.field == "hour-7"
    with database.read() as session:
        assert volumes.by_hour(session, TOWNSHIP).set_by is None


def test_twenty_three_numbers_are_refused(database: Database, town: Town) -> None:
    with pytest.raises(InvalidInput), database.write() as session:
        volumes.set_by_hour(session, town.administrator, TOWNSHIP, HALF[1:])


def test_another_area_and_another_role_are_refused(database: Database, town: Town) -> None:
    with pytest.raises(Forbidden), database.write() as session:
        volumes.set_by_hour(session, town.recorder, TOWNSHIP, HALF)


def test_a_new_volume_of_a_town_reaches_the_lists_of_its_players(
    database: Database, town: Town, box: Box, tell: Callable[[], None]
) -> None:
    tell()
    with database.write() as session:
        before = session.get_one(ManifestVersion, VILLAGES[0]).version
        volumes.set_by_hour(session, town.administrator, TOWNSHIP, NIGHT)
    tell()
    with database.read() as session:
        assert session.get_one(ManifestVersion, VILLAGES[0]).version > before


def test_one_player_can_be_lowered(database: Database, town: Town, box: Box) -> None:
    with database.write() as session:
        volumes.set_of_player(session, town.administrator, box.player.id, " 60 % ")
    with database.read() as session:
        assert session.get_one(Player, box.player.id).volume_percent == 60
        assert volumes.of_players(session, VILLAGES[0]) == {box.player.id: 60}
    stranger = replace(town.administrator, area_code=VILLAGES[1])
    with pytest.raises(Exception, match="no such thing"), database.write() as session:
        volumes.set_of_player(session, stranger, box.player.id, "10")
