"""A restored database on the wire, on the start page and on the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from starlette.testclient import TestClient

import server
from broadcast import after_restore, manifest
from broadcast.models import OVERRIDE_IDS, Override, OverridePlay
from core import id_floor, migrate
from core.clock import FakeClock, utc_now
from core.database import Database
from core.settings import Settings
from tests.broadcast.box import Box, enrolled
from tests.schedule import town as towns
from tests.schedule.town import VILLAGES, Town
from tests.web.conftest import Clients

NUMBER = OVERRIDE_IDS + 5


@pytest.fixture
def town(database: Database, fake_clock: FakeClock) -> Town:
    town = towns.build(database)
    with database.write() as session:
        manifest.build(session, VILLAGES[0])
    return town


@pytest.fixture
def tell(app: FastAPI, town: Town) -> Iterator[Callable[..., None]]:
    """Send a report of health as a box."""
    with TestClient(app, base_url="https://station.lan:8443") as wire:

        def send(box: Box, **health: object) -> None:
            headers = {"authorization": f"Bearer {box.token}"}
            answer = wire.post("/edge/v1/health", headers=headers, json=health)
            assert answer.status_code == 200

        yield send


def on_air(database: Database, town: Town) -> None:
    with database.write() as session:
        found = Override(
            kind="emergency", title="山洪", villages=VILLAGES[:1], state="on_air",
            valid_until=utc_now() + timedelta(hours=1), created_by_id=town.administrator.id,
            created_at=utc_now(), confirmed_by_id=town.administrator.id, confirmed_at=utc_now(),
            form_token="1",
        )  # fmt: skip
        session.add(found)
        session.flush()
        session.add(
            OverridePlay(
                id=NUMBER, override_id=found.id, area_code=VILLAGES[0], round_no=1,
                starts_at=utc_now(), make_up_until=utc_now() + timedelta(minutes=5),
            )
        )  # fmt: skip


def state(database: Database) -> str:
    with database.read() as session:
        return session.scalars(sa.select(OverridePlay.state)).one()


def is_raised(database: Database) -> bool:
    with database.read() as session:
        return id_floor.value(session, "override_play") > OVERRIDE_IDS


@pytest.mark.parametrize(("approved", "expected"), [(True, "sounding"), (False, "planned")])
def test_only_an_approved_player_says_what_sounds(
    tell: Callable[..., None], database: Database, town: Town, approved: bool, expected: str
) -> None:
    on_air(database, town)
    box = enrolled(database, town.administrator, VILLAGES[0], approved=approved)
    told = {"play_id": NUMBER, "outcome": "sounding", "at": utc_now().isoformat()}
    tell(box, last_play=told)
    assert state(database) == expected


@pytest.mark.parametrize(("held", "proves"), [(1, False), (2, True)])
def test_health_with_a_newer_list_than_was_signed_proves_a_restore(
    tell: Callable[..., None], database: Database, town: Town, held: int, proves: bool
) -> None:
    tell(enrolled(database, town.administrator, VILLAGES[0]), manifest_version=held)
    assert is_raised(database) is proves


@pytest.mark.parametrize("name", ["administrator", "township", "leader"])
def test_the_start_page_says_that_nobody_said_it(
    client: Clients, database: Database, cast: dict[str, int], name: str
) -> None:
    words = "The database is an older copy"
    browser = client(name)
    assert words not in browser.get("/").text
    with database.write() as session:
        id_floor.raise_to(session, "override_play", OVERRIDE_IDS + 1, "a-player")
    assert words in browser.get("/").text
    assert words not in client("recorder").get("/").text
    with database.write() as session:
        after_restore.restored(session)
    assert words not in browser.get("/").text


def test_the_page_of_what_was_called_off_names_the_server(
    client: Clients, database: Database, cast: dict[str, int]
) -> None:
    with database.write() as session:
        session.add(
            Override(
                id=1, kind="drill", title="演练", text="演练", villages=["513221100201"],
                state="on_air", valid_until=utc_now() + timedelta(hours=1),
                created_by_id=cast["leader"], created_at=utc_now(),
                confirmed_by_id=cast["leader"], confirmed_at=utc_now(), form_token="1",
            )
        )  # fmt: skip
    with database.write() as session:
        assert [each.id for each in after_restore.restored(session)] == [1]
    page = client("leader").get("/overrides/1").text
    assert "the server, when it came back from a backup" in page


def test_the_command_raises_the_numbers_of_an_older_database_and_names_what_it_called_off(
    config: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    database = Database.from_settings(config)
    migrate.upgrade(database, "0005")
    on_air(database, towns.build(database))
    assert server.note_restored(config) == 0
    assert "called off, for it was on air in the backup: emergency 山洪" in capsys.readouterr().out
    assert state(database) == "cancelled"
    assert is_raised(database)
    database.close()
