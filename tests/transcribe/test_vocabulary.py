"""Words of a place: found for its callers, taught by those who know it."""

from __future__ import annotations

import pytest

from core import areas
from core.auth import Actor
from core.database import Database
from core.errors import Forbidden, InvalidInput, NotFound
from tests.conftest import on_both_databases
from transcribe import vocabulary

COUNTY, TOWN, OTHER_TOWN = "513221000000", "513221100000", "513221200000"
VILLAGE, NEIGHBOUR, FAR = "513221100201", "513221100202", "513221200201"


@pytest.fixture
def place(database: Database) -> None:
    """A county of two towns."""
    with database.write() as session:
        areas.add(session, COUNTY, "云溪县", "county")
        areas.add(session, TOWN, "青石镇", "township", COUNTY)
        areas.add(session, OTHER_TOWN, "白河镇", "township", COUNTY)
        areas.add(session, VILLAGE, "桃坪村", "village", TOWN)
        areas.add(session, NEIGHBOUR, "柳树村", "village", TOWN)
        areas.add(session, FAR, "石桥村", "village", OTHER_TOWN)
        areas.add(session, "513221100299", "第一网格", "grid", VILLAGE)


def person(database: Database, role: str, area_code: str | None) -> Actor:
    from core import auth

    with database.write() as session:
        user = auth.create_user(session, role, role, "a long password", [role], area_code)
        return auth.actor_of(user)


@pytest.fixture
def operator(database: Database, place: None) -> Actor:
    return person(database, "operator", TOWN)


@on_both_databases
def test_callers_of_a_village_speak_of_it_of_its_neighbours_and_of_what_is_above(
    database: Database, operator: Actor
) -> None:
    with database.write() as session:
        vocabulary.add(session, operator, TOWN, "老鹰嘴", "nickname", "桃坪村")
        vocabulary.add(session, operator, NEIGHBOUR, "王记小卖部", "shop")
        vocabulary.add(session, operator, TOWN, "李书记", "official")
    with database.read() as session:
        found = vocabulary.names(session, VILLAGE)
        elsewhere = vocabulary.names(session, FAR)
    assert found == ["桃坪村", "青石镇", "云溪县", "柳树村", "老鹰嘴", "王记小卖部"]
    assert elsewhere == ["石桥村", "白河镇", "云溪县"]


def test_a_town_knows_all_its_villages_and_nowhere_knows_nothing(
    database: Database, place: None
) -> None:
    with database.read() as session:
        assert vocabulary.names(session, TOWN) == ["青石镇", "云溪县", "桃坪村", "柳树村"]
        assert vocabulary.names(session, None) == vocabulary.names(session, "1" * 12) == []


@pytest.mark.parametrize(
    ("text", "kind", "field"),
    [
        ("", "other", "text"),
        ("好" * 41, "other", "text"),
        ("3号楼", "shop", "text"),
        ("13812345678", "other", "text"),
        ("老鹰嘴", "river", "kind"),
    ],
)
def test_what_cannot_be_spoken_or_is_unknown_is_refused(
    database: Database, operator: Actor, text: str, kind: str, field: str
) -> None:
    with database.write() as session, pytest.raises(InvalidInput) as refused:
        vocabulary.add(session, operator, TOWN, text, kind)
    assert refused.value.field == field


def test_a_word_is_taught_once_an_area_without_blanks(database: Database, operator: Actor) -> None:
    with database.write() as session:
        assert vocabulary.add(session, operator, TOWN, " 老 鹰嘴 ").text == "老鹰嘴"
        vocabulary.add(session, operator, VILLAGE, "老鹰嘴")
        with pytest.raises(InvalidInput):
            vocabulary.add(session, operator, TOWN, "老鹰嘴")


def test_a_changed_word_is_looked_up_anew(database: Database, operator: Actor) -> None:
    with database.write() as session:
        term = vocabulary.add(session, operator, TOWN, "老鹰嘴")
        term.unknown_to = "f" * 64
        vocabulary.change(session, operator, term.id, "老鹰嘴", "nickname", "桃坪村")
        assert (term.unknown_to, term.meaning) == ("f" * 64, "桃坪村")
        vocabulary.change(session, operator, term.id, "老鹰咀", "nickname")
        assert (term.text, term.unknown_to, term.meaning) == ("老鹰咀", None, None)
        vocabulary.remove(session, operator, term.id)
        assert vocabulary.taught(session, TOWN) == []


def test_only_the_own_area_is_taught_and_only_by_those_who_know_it(
    database: Database, operator: Actor
) -> None:
    outsider = person(database, "township", OTHER_TOWN)
    administrator = person(database, "administrator", COUNTY)
    with database.write() as session:
        term_id = vocabulary.add(session, operator, TOWN, "老鹰嘴").id
    with database.write() as session:
        with pytest.raises(InvalidInput):
            vocabulary.add(session, outsider, TOWN, "鬼门关")
        with pytest.raises(NotFound):
            vocabulary.remove(session, outsider, term_id)
        with pytest.raises(Forbidden):
            vocabulary.add(session, administrator, TOWN, "鬼门关")
