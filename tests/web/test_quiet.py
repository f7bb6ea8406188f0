"""The quiet button of a village head."""

from __future__ import annotations

import pytest

from core.clock import FakeClock
from core.database import Database
from schedule import quiet
from tests.web.conftest import OTHER_VILLAGE, SECOND_VILLAGE, VILLAGE, Clients, post


def running(database: Database, village: str = VILLAGE) -> bool:
    with database.read() as session:
        return quiet.running(session, village) is not None


@pytest.mark.parametrize("length", ["hour", "morning"])
def test_a_village_head_orders_quiet_and_ends_it(
    client: Clients, database: Database, fake_clock: FakeClock, length: str
) -> None:
    head = client("village_head")
    assert "Quiet for one hour" in head.get("/quiet").text
    assert "End it now" not in head.get("/quiet").text
    assert post(head, "/quiet", {"area_code": VILLAGE, "length": length}).is_redirect
    assert running(database)
    page = head.get("/quiet").text
    assert "End it now" in page
    assert "village_head one" in page
    assert post(head, "/quiet/lift", {"area_code": VILLAGE}).is_redirect
    assert not running(database)


def test_the_start_page_leads_there(client: Clients) -> None:
    assert 'href="/quiet"' in client("village_head").get("/").text
    assert 'href="/quiet"' not in client("recorder").get("/").text


def test_a_township_chooses_the_village(client: Clients, database: Database) -> None:
    office = client("township")
    assert SECOND_VILLAGE in office.get("/quiet").text
    assert OTHER_VILLAGE not in office.get("/quiet").text
    assert post(office, "/quiet", {"area_code": SECOND_VILLAGE, "length": "hour"}).is_redirect
    assert running(database, SECOND_VILLAGE)
    assert not running(database)


def test_a_missing_village_or_length_is_said(client: Clients, database: Database) -> None:
    office = client("township")
    missing = post(office, "/quiet", {"length": "hour"})
    assert (missing.status_code, "Choose the village." in missing.text) == (422, True)
    assert post(office, "/quiet", {"area_code": VILLAGE, "length": "year"}).status_code == 422
    assert not running(database)


@pytest.mark.parametrize(
    ("name", "village", "status"),
    [
        ("village_head", SECOND_VILLAGE, 404),
        ("outsider", VILLAGE, 404),
        ("recorder", VILLAGE, 403),
        ("handler", VILLAGE, 403),
    ],
)
def test_nobody_else_silences_a_village(
    client: Clients, database: Database, name: str, village: str, status: int
) -> None:
    asked = {"area_code": village, "length": "hour"}
    assert post(client(name), "/quiet", asked).status_code == status
    assert post(client(name), "/quiet/lift", {"area_code": village}).status_code == status
    assert not running(database, village)
