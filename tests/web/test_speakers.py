"""The loudspeakers page: who is there, letting in, shutting out."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from broadcast import manifest, players
from core.auth import Actor
from core.clock import FakeClock
from core.database import Database
from tests.broadcast.box import Box, enrolled
from tests.web.conftest import COUNTY, OTHER_VILLAGE, SECOND_VILLAGE, VILLAGE, Clients, post


@pytest.fixture(autouse=True)
def clock(fake_clock: FakeClock) -> FakeClock:
    return fake_clock


@pytest.fixture
def box(database: Database, cast: dict[str, int]) -> Box:
    chief = Actor(cast["administrator"], "administrator", "", frozenset({"administrator"}), COUNTY)
    return enrolled(database, chief, VILLAGE)


@pytest.fixture
def administrator(client: Clients) -> TestClient:
    return client("administrator")


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_a_village_without_player_offers_a_new_one(administrator: TestClient) -> None:
    page = administrator.get("/speakers").text
    assert "0 of 0 players are online" in page
    assert f'href="/speakers/new?village={VILLAGE}"' in page


def test_a_code_is_shown_once_with_the_command_to_type(
    administrator: TestClient, database: Database
) -> None:
    form = {"area_code": SECOND_VILLAGE, "name": "村委会"}
    answer = post(administrator, "/speakers/new", form)
    assert answer.status_code == 200
    found = re.search(r'id="code">([2-9A-Z]{4}-[2-9A-Z]{4})<', answer.text)
    assert found is not None
    assert f"python -m edge enrol {found[1]} --server https://testserver --ca ca.pem" in answer.text
    assert ":8080/ca.pem" in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert found[1] not in administrator.get("/speakers").text


@pytest.mark.parametrize("village", ["", "1", COUNTY])
def test_a_code_needs_a_village(administrator: TestClient, village: str) -> None:
    answer = post(administrator, "/speakers/new", {"area_code": village})
    assert answer.status_code in (404, 422)
    assert 'id="code"' not in answer.text


def test_the_state_of_a_player_is_told_in_words(
    administrator: TestClient, database: Database, box: Box, clock: FakeClock
) -> None:
    assert "○ Never heard of" in administrator.get("/speakers").text
    with database.write() as session:
        version = manifest.build(session, VILLAGE).version
        players.note_seen(session, box.player.id, version)
    page = text_of(administrator.get("/speakers/rows").text)
    assert "1 of 1 players are online" in page
    assert "● Online" in page
    assert "✓ Version 1" in page
    clock.advance(timedelta(minutes=5))
    assert "○ Offline" in administrator.get("/speakers/rows").text


def test_troubles_of_a_player_are_told(
    administrator: TestClient, database: Database, box: Box
) -> None:
    health = {
        "problems": {"disk": "no room", "new_kind": "the <b>fan</b> stands still"},
        "clock": {"synchronised": False},
    }
    with database.write() as session:
        players.note_health(session, box.player.id, health)
    page = administrator.get("/speakers/rows").text
    assert "The player&#39;s disk is full." in page
    assert "The player&#39;s clock is not synchronised." in page
    assert "the &lt;b&gt;fan&lt;/b&gt; stands still" in page


def test_a_player_can_be_shut_out(administrator: TestClient, database: Database, box: Box) -> None:
    assert post(administrator, f"/speakers/players/{box.player.id}/revoke").status_code == 303
    assert box.player.id not in administrator.get("/speakers").text
    with database.read() as session:
        assert players.authenticate(session, box.token) is None


def test_another_town_sees_and_changes_nothing(client: Clients, box: Box) -> None:
    stranger = client("outsider")
    page = stranger.get("/speakers").text
    assert box.player.id not in page
    assert VILLAGE not in page
    assert post(stranger, f"/speakers/players/{box.player.id}/revoke").status_code == 403


@pytest.mark.parametrize(
    ("name", "reads", "lets_in"),
    [
        ("administrator", 200, 200),
        ("recorder", 200, 403),
        ("township", 200, 403),
        ("operator", 403, 403),
        ("leader", 403, 403),
        (None, 303, 303),
    ],
)
def test_who_may_look_and_who_may_let_in(
    client: Clients, name: str | None, reads: int, lets_in: int
) -> None:
    browser = client(name)
    assert browser.get("/speakers").status_code == reads
    assert browser.get("/speakers/new").status_code == lets_in


def test_an_administrator_of_the_county_lets_players_into_all_its_villages(
    administrator: TestClient,
) -> None:
    assert OTHER_VILLAGE in administrator.get("/speakers/new").text
