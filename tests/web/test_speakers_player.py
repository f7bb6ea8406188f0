"""One player's page: history, health, approval, name, volume; and who may touch what."""

from __future__ import annotations

import csv
import hashlib
import io

import pytest
from starlette.testclient import TestClient

from broadcast import clones, players, receipts
from broadcast.models import Player
from core.clock import utc_now
from core.database import Database
from core.models import AuditEntry
from schedule.models import Play
from tests.broadcast.box import Box
from tests.web.conftest import Clients, post
from tests.web.test_speakers import (  # noqa: F401 - fixtures
    administrator,
    box,
    chief,
    clock,
    noon,
    text_of,
)

# ruff: noqa: F811 - fixtures of the neighbour module are asked for by their names


def url(box: Box, *more: str) -> str:
    return "/".join((f"/speakers/players/{box.player.id}", *more))


def stored(database: Database, box: Box) -> Player:
    with database.read() as session:
        return session.get_one(Player, box.player.id)


def test_what_a_player_never_told_is_not_told(administrator: TestClient, box: Box) -> None:
    page = text_of(administrator.get(url(box)).text)
    assert "Temperature not told" in page
    assert "Quiet switch on the box not told" in page


def test_health_stands_there_in_plain_words(
    administrator: TestClient, database: Database, box: Box
) -> None:
    health = {"temperature_c": 51, "sink": {"kind": "wav", "name": "out", "ok": True}}
    with database.write() as session:
        players.note_health(session, box.player.id, health)
    page = text_of(administrator.get(url(box, "state")).text)
    assert "Temperature ✓ 51 °C" in page
    assert "Into a file (no sound card): nobody hears it" in page


def test_a_problem_stands_there_with_what_to_do(
    administrator: TestClient, database: Database, box: Box
) -> None:
    problems = {"no_card": "no sound card was found", "own words": "a thing we never heard of"}
    with database.write() as session:
        players.note_health(session, box.player.id, {"problems": problems})
    page = text_of(administrator.get(url(box, "state")).text)
    assert "nobody hears what it sounds. Plug the sound card in" in page
    assert "a thing we never heard of" in page


def test_codes_in_the_history_are_words(
    administrator: TestClient, database: Database, box: Box
) -> None:
    with database.write() as session:
        players.note_health(session, box.player.id, {"quiet_switch": True})
        clones.flag(session, session.get_one(Player, box.player.id), "boots")
        players.note_health(
            session, box.player.id, {"quiet_switch": False, "problems": {"receipts": "x"}}
        )
    page = text_of(administrator.get(url(box)).text)
    for words in (
        "Quiet switch turned on", "Quiet switch turned off",
        "Two boxes used its key · two programs speak in turns",
        "A problem began · Receipts of the player were refused.",
    ):  # fmt: skip
        assert words in page
    assert "quiet_switch" not in page


def test_sounds_misses_and_events_are_one_line_of_time(
    administrator: TestClient, database: Database, box: Box, noon: Play
) -> None:
    with database.write() as session:
        player = session.get_one(Player, box.player.id)
        receipts.accept(session, player, [box.missed(noon, "sink_failed")])
        clones.flag(session, player, "boots")
    page = text_of(administrator.get(url(box)).text)
    assert "✗ Did not sound · 第1期 · The player&#39;s sound output failed." in page
    assert "Two boxes used its key" in page
    assert "shut this player out here" in page


def test_a_person_approves_a_player(
    administrator: TestClient, database: Database, box: Box
) -> None:
    with database.write() as session:
        session.get_one(Player, box.player.id).approved_at = None
    page = administrator.get(url(box)).text
    assert "? Waits for approval" in page
    assert url(box, "approve") in page
    assert post(administrator, url(box, "approve")).status_code == 303
    assert stored(database, box).approved_at == utc_now()
    assert url(box, "approve") not in administrator.get(url(box)).text


def test_a_player_can_be_shut_out(administrator: TestClient, database: Database, box: Box) -> None:
    assert post(administrator, url(box, "revoke")).status_code == 303
    with database.read() as session:
        assert players.authenticate(session, box.token) is None
    assert "⊘ Shut out" in text_of(administrator.get(url(box)).text)


def test_a_copy_that_was_switched_off_ends_the_warning(
    administrator: TestClient, database: Database, box: Box
) -> None:
    with database.write() as session:
        clones.flag(session, session.get_one(Player, box.player.id), "boots")
    assert url(box, "single") in administrator.get(url(box)).text
    assert post(administrator, url(box, "single")).status_code == 303
    assert stored(database, box).cloned_at is None


def test_a_player_gets_another_name(
    administrator: TestClient, database: Database, box: Box
) -> None:
    assert post(administrator, url(box, "rename"), {"name": " 小学 "}).status_code == 303
    assert stored(database, box).name == "小学"
    refused = post(administrator, url(box, "rename"), {"name": "长" * 81})
    assert refused.status_code == 422
    assert 'id="wrong-name"' in refused.text
    assert stored(database, box).name == "小学"


def test_the_volume_of_one_player(client: Clients, database: Database, box: Box) -> None:
    township = client("township")
    assert post(township, url(box, "volume"), {"volume_percent": "60"}).status_code == 303
    assert stored(database, box).volume_percent == 60
    refused = post(township, url(box, "volume"), {"volume_percent": "101"})
    assert (refused.status_code, 'id="wrong-volume_percent"' in refused.text) == (422, True)
    assert 'value="101"' in refused.text


@pytest.mark.parametrize("what", ["approve", "revoke", "single", "rename"])
def test_only_administrators_let_in_and_shut_out(client: Clients, box: Box, what: str) -> None:
    assert post(client("township"), url(box, what), {"name": "x"}).status_code == 403


@pytest.mark.parametrize("what", ["", "state", "receipts.csv"])
def test_another_town_is_told_nothing(client: Clients, box: Box, what: str) -> None:
    assert client("outsider").get(url(box, what) if what else url(box)).status_code == 404
    assert client("township").get("/speakers/players/p-unknown").status_code == 404


def test_auditors_get_receipts_whose_chain_can_be_verified(
    client: Clients, database: Database, box: Box, noon: Play
) -> None:
    with database.write() as session:
        player = session.get_one(Player, box.player.id)
        receipts.accept(session, player, [box.missed(noon, "=1+1"), box.played(noon)])
    answer = client("township").get(url(box, "receipts.csv"))
    lines = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert lines[1] == [box.player.id, stored(database, box).public_key]
    rows = [dict(zip(lines[2], line, strict=True)) for line in lines[3:]]
    previous = ""
    for row in rows:
        assert row["previous_hash"] == previous
        previous = hashlib.sha256((previous + row["body"]).encode()).hexdigest()
        assert row["hash"] == previous
    assert [row["signature"] for row in rows] == [sent["signature"] for sent in box.sent]
    assert rows[0]["reason"] == "'=1+1"  # no spreadsheet takes it for a formula
    with database.read() as session:
        actions = {entry.action for entry in session.query(AuditEntry)}
    assert "receipts.exported" in actions
