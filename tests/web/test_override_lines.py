"""Who is named before the start as not hearing it, and who as hearing it softly."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from broadcast.models import HourVolume, OverridePlay, Player
from broadcast.override_keeper import OverrideKeeper
from core.auth import actor_of
from core.clock import FakeClock, utc_now
from core.database import Database
from core.models import User
from tests.broadcast.box import Box, enrolled
from tests.web.conftest import TOWN, VILLAGE, Clients
from tests.web.test_overrides import add_player, prepared, started, text_of
from tests.web.test_overrides import clock as clock
from tests.web.test_overrides import keeper as keeper
from tests.web.test_overrides import official as official
from tests.web.test_overrides import quick_sound as quick_sound

SWITCHED = {"quiet_switch": True}
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
    second_box(database, cast)
    page = text_of(official.get(prepared(official, keeper, villages=[VILLAGE])).text)
    assert "1 of 1 villages will hear it at once" in page
    assert "turned down" not in page


@pytest.mark.parametrize("kind", ["emergency", "drill", "notice"])
def test_a_box_whose_quiet_switch_is_on_hears_emergencies_alone(
    official: TestClient, keeper: OverrideKeeper, database: Database, kind: str
) -> None:
    add_player(database, VILLAGE)
    change(database, health=SWITCHED)
    page = text_of(official.get(prepared(official, keeper, kind=kind, villages=[VILLAGE])).text)
    is_heard = kind == "emergency"
    assert f"{int(is_heard)} of 1 villages will hear it at once" in page
    assert ("桃坪村: the quiet switch on the box is on" in page) is not is_heard


def test_it_is_still_named_when_the_notice_is_on_air(
    official: TestClient, keeper: OverrideKeeper, database: Database
) -> None:
    add_player(database, VILLAGE)
    change(database, health=SWITCHED)
    page = text_of(official.get(started(official, keeper, kind="notice", villages=[VILLAGE])).text)
    assert "桃坪村 ■ the quiet switch on the box is on" in page


def second_box(database: Database, cast: dict[str, int]) -> Player:
    """Another one of the village, in contact."""
    with database.write() as session:
        administrator = actor_of(session.get_one(User, cast["administrator"]))
    other = enrolled(database, administrator, VILLAGE)
    with database.write() as session:
        session.get_one(Player, other.player.id).last_seen_at = utc_now()
    return other.player


def test_another_box_of_the_village_whose_switch_is_off_is_heard(
    official: TestClient, keeper: OverrideKeeper, database: Database, cast: dict[str, int]
) -> None:
    add_player(database, VILLAGE)
    change(database, health=SWITCHED, volume_percent=20)
    second_box(database, cast)
    where = prepared(official, keeper, kind="notice", villages=[VILLAGE])
    page = text_of(official.get(where).text)
    assert "1 of 1 villages will hear it at once" in page
    assert "but softly" not in page


def test_a_box_that_is_turned_off_does_not_speak_for_one_that_is_away(
    official: TestClient, keeper: OverrideKeeper, database: Database, cast: dict[str, int]
) -> None:
    add_player(database, VILLAGE, seen=False)
    other = second_box(database, cast)
    with database.write() as session:
        session.get_one(Player, other.id).volume_percent = 0
    where = prepared(official, keeper, kind="notice", villages=[VILLAGE])
    assert "桃坪村: player away" in text_of(official.get(where).text)


def set_eight_o_clock(database: Database, percent: int) -> None:
    """The volume of the town from 8 to 9 by its own clock: now. At other hours it is full."""
    hours = [percent if hour == 8 else 100 for hour in range(24)]
    with database.write() as session:
        session.add(HourVolume(area_code=TOWN, percent=hours, changed_at=utc_now()))


@pytest.mark.parametrize(
    ("kind", "hour_percent", "player_percent", "words"),
    [
        ("notice", 30, 100, "桃坪村: 30 %"),
        ("drill", 30, 50, "桃坪村: 15 %"),
        ("notice", 30, 1, "桃坪村: 1 %"),
        ("emergency", 30, 70, "桃坪村: 70 %"),
        ("emergency", 0, 100, "1 of 1 villages will hear it at once"),
        ("notice", 0, 100, "0 of 1 villages will hear it at once"),
        ("notice", 0, 100, "桃坪村: the volume of this hour is 0: nobody hears it"),
    ],
)
def test_the_volume_of_this_hour_counts_before_the_start(
    official: TestClient, keeper: OverrideKeeper, database: Database, kind: str,
    hour_percent: int, player_percent: int, words: str,
) -> None:  # fmt: skip
    add_player(database, VILLAGE)
    change(database, volume_percent=player_percent)
    set_eight_o_clock(database, hour_percent)
    page = text_of(official.get(prepared(official, keeper, kind=kind, villages=[VILLAGE])).text)
    assert words in page


def test_a_village_whose_only_round_broke_off_has_not_heard_it(
    official: TestClient, keeper: OverrideKeeper, database: Database
) -> None:
    add_player(database, VILLAGE)
    where = started(official, keeper, villages=[VILLAGE])
    with database.write() as session:
        broke_off = {"state": "missed", "reason": "interrupted", "started_at": utc_now()}
        session.execute(sa.update(OverridePlay).values(**broke_off))
    page = text_of(official.get(where).text)
    assert "0 of 1 villages have heard it" in page
    assert "From the click to the first sound" not in page
    assert "The player lost power or was stopped while it sounded." in page


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
