"""The loudspeakers page: which horn is dumb at a glance, letting in, shutting out."""

from __future__ import annotations

import json
import re
from datetime import date, time, timedelta

import pytest
from starlette.testclient import TestClient

from broadcast import manifest, players, receipts
from broadcast.models import Player
from core.auth import Actor
from core.blobs import BlobStore
from core.clock import FakeClock, utc_now
from core.database import Database
from recordings.models import Programme
from schedule.models import Play, Slot, VillageQuiet
from tests.broadcast.box import Box, enrolled
from tests.schedule.town import approve_episode
from tests.web.conftest import COUNTY, OTHER_VILLAGE, SECOND_VILLAGE, VILLAGE, Clients, post


@pytest.fixture(autouse=True)
def clock(fake_clock: FakeClock) -> FakeClock:
    return fake_clock


@pytest.fixture
def chief(cast: dict[str, int]) -> Actor:
    return Actor(cast["administrator"], "administrator", "", frozenset({"administrator"}), COUNTY)


@pytest.fixture
def box(database: Database, chief: Actor) -> Box:
    made = enrolled(database, chief, VILLAGE)
    with database.write() as session:
        players.approve(session, chief, made.player.id)
    return made


@pytest.fixture
def administrator(client: Clients) -> TestClient:
    return client("administrator")


@pytest.fixture
def noon(database: Database, store: BlobStore) -> Play:
    """A play of the village in an hour, of one minute."""
    with database.write() as session:
        programme = Programme(name="所长说法", area_code=VILLAGE, created_at=utc_now())
        session.add(programme)
        session.flush()
        episode = approve_episode(session, store, programme.id, 1)
        slot = Slot(
            programme_id=programme.id, name="午间", local_time=time(12), zone="Asia/Shanghai",
            weekdays=[1, 2, 3, 4, 5, 6, 7], first_date=date(2026, 1, 1),
            last_date=date(2027, 1, 1), created_at=utc_now(),
        )  # fmt: skip
        session.add(slot)
        session.flush()
        starts_at = utc_now() + timedelta(hours=1)
        play = Play(
            slot_id=slot.id, area_code=VILLAGE, local_date=starts_at.date(), starts_at=starts_at,
            make_up_until=starts_at + timedelta(minutes=30), episode_id=episode.id,
            clip_sha256="a" * 64, duration_ms=60_000, state="published",
        )  # fmt: skip
        session.add(play)
    return play


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def seen(database: Database, box: Box) -> None:
    with database.write() as session:
        players.note_seen(session, box.player.id)


def state_of(browser: TestClient) -> str:
    """What the list says of the first village."""
    page = browser.get("/speakers/rows").text
    found = re.search(rf'data-code="{VILLAGE}" data-state="(\w+)"', page)
    assert found is not None
    return found[1]


def test_a_village_without_player_offers_a_new_one(administrator: TestClient) -> None:
    page = administrator.get("/speakers").text
    assert "– No player 3" in text_of(page)
    assert f'href="/speakers/new?village={VILLAGE}"' in page


def test_a_code_is_shown_once_with_the_command_to_type(
    administrator: TestClient, database: Database
) -> None:
    form = {"area_code": SECOND_VILLAGE, "name": "村委会"}
    answer = post(administrator, "/speakers/new", form)
    assert answer.status_code == 200
    found = re.search(r'id="code">([2-9A-Z]{4}-[2-9A-Z]{4})<', answer.text)
    assert found is not None
    assert f"-m edge enrol {found[1]} --server https://testserver --ca" in answer.text
    assert ":8080/ca.pem" in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert found[1] not in administrator.get("/speakers").text


@pytest.mark.parametrize("village", ["", "1", COUNTY])
def test_a_code_needs_a_village(administrator: TestClient, village: str) -> None:
    answer = post(administrator, "/speakers/new", {"area_code": village})
    assert answer.status_code in (404, 422)
    assert 'id="code"' not in answer.text


def test_a_player_never_heard_of_is_told_in_words(administrator: TestClient, box: Box) -> None:
    assert "⚡ Never heard of" in text_of(administrator.get("/speakers").text)


def test_contact_comes_and_goes(
    administrator: TestClient, database: Database, box: Box, clock: FakeClock
) -> None:
    seen(database, box)
    assert state_of(administrator) == "ready"
    clock.advance(timedelta(hours=3))
    page = text_of(administrator.get("/speakers/rows").text)
    assert "⚡ Out of reach for 3 h" in page


def test_a_play_that_was_due_and_not_heard_makes_the_horn_dumb(
    administrator: TestClient, database: Database, box: Box, noon: Play, clock: FakeClock
) -> None:
    seen(database, box)
    assert state_of(administrator) == "ready"
    clock.advance(timedelta(hours=4))
    seen(database, box)
    page = text_of(administrator.get("/speakers/rows").text)
    assert "✗ Silent for 3 h" in page


def test_a_receipt_makes_it_speak(
    administrator: TestClient, database: Database, box: Box, noon: Play, clock: FakeClock
) -> None:
    clock.advance(timedelta(hours=4))
    with database.write() as session:
        receipts.accept(session, session.get_one(Player, box.player.id), [box.played(noon)])
    seen(database, box)
    assert state_of(administrator) == "speaks"


def test_the_second_player_of_a_village_is_judged_by_its_own_receipts(
    administrator: TestClient,
    database: Database,
    chief: Actor,
    box: Box,
    noon: Play,
    clock: FakeClock,
) -> None:
    other = enrolled(database, chief, VILLAGE)
    with database.write() as session:
        players.approve(session, chief, other.player.id)
    clock.advance(timedelta(hours=4))
    with database.write() as session:
        receipts.accept(session, session.get_one(Player, box.player.id), [box.played(noon)])
    seen(database, box)
    seen(database, other)
    page = text_of(administrator.get("/speakers/rows").text)
    assert "✗ Silent for 3 h" in page
    assert "♪ Speaks" in page


def test_quiet_by_order_is_no_fault(
    administrator: TestClient, database: Database, cast: dict[str, int], box: Box
) -> None:
    with database.write() as session:
        session.add(
            VillageQuiet(
                area_code=VILLAGE, starts_at=utc_now(), ends_at=utc_now() + timedelta(hours=2),
                ordered_by_id=cast["village_head"], channel="page", created_at=utc_now(),
            )
        )  # fmt: skip
    seen(database, box)
    assert "☾ Quiet by order" in administrator.get("/speakers/rows").text


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


def test_the_worst_stands_first_and_the_filter_leaves_out_what_is_well(
    administrator: TestClient, database: Database, chief: Actor, box: Box
) -> None:
    cloned = enrolled(database, chief, SECOND_VILLAGE)
    with database.write() as session:
        players.approve(session, chief, cloned.player.id)
        session.get_one(Player, cloned.player.id).cloned_at = utc_now()
    seen(database, box)
    page = administrator.get("/speakers").text
    assert page.index(cloned.player.id) < page.index(box.player.id)
    only = administrator.get("/speakers?show=problems").text
    assert cloned.player.id in only
    assert box.player.id not in only
    assert "Nothing of that kind" in administrator.get("/speakers/rows?show=waiting").text


def test_who_is_shut_out_is_listed_apart(
    administrator: TestClient, database: Database, chief: Actor, box: Box
) -> None:
    with database.write() as session:
        players.revoke(session, chief, box.player.id)
    assert box.player.id not in administrator.get("/speakers").text
    assert box.player.id in administrator.get("/speakers?show=out").text


def test_another_town_sees_nothing(client: Clients, box: Box) -> None:
    stranger = client("outsider")
    page = stranger.get("/speakers").text
    assert box.player.id not in page
    assert VILLAGE not in page
    assert VILLAGE not in stranger.get("/speakers/map.geojson").text


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
    for page in ("new", "import", "map"):
        assert browser.get(f"/speakers/{page}").status_code == lets_in


def test_an_administrator_of_the_county_lets_players_into_all_its_villages(
    administrator: TestClient,
) -> None:
    assert OTHER_VILLAGE in administrator.get("/speakers/new").text


SQUARE = [[[119.0, 28.0], [119.1, 28.0], [119.1, 28.1], [119.0, 28.0]]]


def map_with(*features: object) -> bytes:
    return json.dumps({"type": "FeatureCollection", "features": list(features)}).encode()


def village(code: str, positions: object = SQUARE) -> dict[str, object]:
    return {
        "type": "Feature",
        "properties": {"code": code, "name": "<b>"},
        "geometry": {"type": "Polygon", "coordinates": positions},
    }


def test_outlines_of_villages_come_by_a_file(administrator: TestClient) -> None:
    assert administrator.get("/speakers/map.geojson").json()["features"] == []
    data = map_with(village(VILLAGE), village("999999999999"))
    answer = post(administrator, "/speakers/map", files={"file": ("villages.geojson", data)})
    assert answer.status_code == 303
    (found,) = administrator.get("/speakers/map.geojson").json()["features"]
    assert found["properties"] == {"code": VILLAGE, "name": "桃坪村"}
    assert found["geometry"]["coordinates"] == SQUARE


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"{", "not a GeoJSON"),
        (b"[1]", "not a GeoJSON"),
        (map_with(), "1 to 5,000 villages"),
        (map_with(village(VILLAGE), village(VILLAGE, [[["x", 1]]])), "Village 2 of the map"),
        (map_with(village(VILLAGE, [[[500, 28]]])), "Village 1 of the map"),
        (map_with(village("999999999999")), "No outline of the file belongs"),
        (b"[" * 100_000, "not a GeoJSON"),
    ],
)
def test_a_wrong_map_says_what_is_wrong_and_leaves_the_old_one(
    administrator: TestClient, data: bytes, words: str
) -> None:
    good = map_with(village(SECOND_VILLAGE))
    post(administrator, "/speakers/map", files={"file": ("a.geojson", good)})
    answer = post(administrator, "/speakers/map", files={"file": ("b.geojson", data)})
    assert answer.status_code == 422
    assert words in answer.text
    (found,) = administrator.get("/speakers/map.geojson").json()["features"]
    assert found["properties"]["code"] == SECOND_VILLAGE


def test_the_list_of_plays_that_is_behind_is_told(
    administrator: TestClient, database: Database, box: Box, noon: Play
) -> None:
    with database.write() as session:
        newest = manifest.build(session, VILLAGE).version
        players.note_health(session, box.player.id, {"manifest_version": newest + 1})
    assert f"List of plays {newest + 1} of {newest}" in administrator.get("/speakers/rows").text
