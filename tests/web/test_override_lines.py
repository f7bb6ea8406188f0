"""Who is named before the start as not hearing it, and who as hearing it softly."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from broadcast.models import OverridePlay, Player
from broadcast.override_keeper import OverrideKeeper
from core.auth import actor_of
from core.clock import FakeClock, utc_now
from core.database import Database
from core.models import User
from tests.broadcast.box import Box, enrolled
from tests.web.conftest import VILLAGE, Clients
from tests.web.test_overrides import add_player, prepared, started, text_of
from tests.web.test_overrides import clock as clock
from tests.web.test_overrides import keeper as keeper
from tests.web.test_overrides import official as official
from tests.web.test_overrides import quick_sound as quick_sound

NO_CARD = {"problems": {"no_card": "no sound card was found: what sounds goes to files"}}
FILES_BY_CHOICE = {"sink": {"kind": "wav", "name": "wav", "ok": True}, "problems": {}}


def change(database: Database, **changes: Any) -> None:
    with database.write() as session:
        session.execute(
            sa.update(Player).where(Player.id == f"p-{VILLAGE}").values(**changes)
        )  # fmt: skip


def test_a_box_without_a_sound_card_is_named_before_the_start(
    official: TestClient, keeper: OverrideKeeper, database: Database
) -> None:
    add_player(database, VILLAGE)
    change(database, health=NO_CARD)
    page = text_of(official.get(prepared(official, keeper, villages=[VILLAGE])).text)
    assert "0 of 1 villages will hear it at once" in page
    assert "桃坪村: no sound card: it goes into a file, nobody hears it" in page


def test_a_box_that_was_told_to_write_files_is_taken_for_a_horn(
    official: TestClient, keeper: OverrideKeeper, database: Database
) -> None:
    add_player(database, VILLAGE)
    change(database, health=FILES_BY_CHOICE)
    page = text_of(official.get(prepared(official, keeper, villages=[VILLAGE])).text)
    assert "1 of 1 villages will hear it at once" in page


def test_another_box_of_the_village_that_has_a_card_is_heard(
    official: TestClient, keeper: OverrideKeeper, database: Database, cast: dict[str, int]
) -> None:
    add_player(database, VILLAGE)
    change(database, health=NO_CARD, volume_percent=0)
    with database.write() as session:
        administrator = actor_of(session.get_one(User, cast["administrator"]))
    other = enrolled(database, administrator, VILLAGE)
    with database.write() as session:
        session.get_one(Player, other.player.id).last_seen_at = utc_now()
    page = text_of(official.get(prepared(official, keeper, villages=[VILLAGE])).text)
    assert "1 of 1 villages will hear it at once" in page
    assert "turned down" not in page


@pytest.fixture
def box(database: Database, cast: dict[str, int]) -> Box:
    with database.read() as session:
        administrator = actor_of(session.get_one(User, cast["administrator"]))
    return enrolled(database, administrator, VILLAGE)


@pytest.mark.parametrize(("health", "is_heard"), [(NO_CARD, False), (FILES_BY_CHOICE, True)])
def test_what_sounds_into_a_file_for_want_of_a_card_is_no_village_that_heard_it(
    official: TestClient,
    client: Clients,
    keeper: OverrideKeeper,
    database: Database,
    clock: FakeClock,
    box: Box,
    health: dict[str, Any],
    is_heard: bool,
) -> None:
    where = started(official, keeper, villages=[VILLAGE])
    with database.read() as session:
        each = session.scalars(sa.select(OverridePlay)).first()
    assert each is not None
    clock.advance(each.starts_at - utc_now())
    at = utc_now().isoformat()
    player = client(None)
    player.headers["authorization"] = f"Bearer {box.token}"
    sounding = {"last_play": {"play_id": each.id, "outcome": "sounding", "at": at}}
    assert player.post("/edge/v1/health", json=health | sounding).status_code == 200
    page = text_of(official.get(where).text)
    assert f"{int(is_heard)} of 1 villages have heard it" in page
    body = {"play_id": each.id, "outcome": "played", "sink": "wav", "started_at": at}
    sent = {"receipts": [box.sign(body)]}
    assert player.post("/edge/v1/receipts", json=sent).status_code == 200
    page = text_of(official.get(where).text)
    assert f"{int(is_heard)} of 1 villages have heard it" in page
    assert ("the player has no sound card, so nobody heard it" in page) is not is_heard


@pytest.mark.parametrize(
    ("kind", "percent", "words"),
    [
        ("emergency", 0, "▽ 1 villages will hear it, but softly"),
        ("emergency", 0, "桃坪村: 50 % Softer than half no player sounds an emergency"),
        ("emergency", 70, "桃坪村: 70 %"),
        ("notice", 30, "桃坪村: 30 %"),
        ("notice", 0, "桃坪村: the volume of the player is 0: nobody hears it"),
        ("notice", 0, "0 of 1 villages will hear it at once"),
        ("drill", 0, "0 of 1 villages will hear it at once"),
    ],
)
def test_who_is_turned_down_is_named_before_the_start(
    official: TestClient,
    keeper: OverrideKeeper,
    database: Database,
    kind: str,
    percent: int,
    words: str,
) -> None:
    add_player(database, VILLAGE)
    change(database, volume_percent=percent)
    page = text_of(official.get(prepared(official, keeper, kind=kind, villages=[VILLAGE])).text)
    assert words in page


def test_a_village_at_full_volume_is_not_named(
    official: TestClient, keeper: OverrideKeeper, database: Database
) -> None:
    add_player(database, VILLAGE)
    page = text_of(official.get(prepared(official, keeper, villages=[VILLAGE])).text)
    assert "turned down" not in page
