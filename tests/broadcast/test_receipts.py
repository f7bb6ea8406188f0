"""Receipts are taken in once, in order, and only when they are genuine."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from broadcast import receipts
from broadcast.models import Receipt
from core.database import Database
from core.errors import Conflict, InvalidInput
from core.models import OutboxEvent
from schedule.models import Play
from tests.broadcast.box import Box, enrolled
from tests.conftest import on_both_databases
from tests.schedule.town import VILLAGES, Town

Plays = Callable[..., list[Play]]


def accept(database: Database, box: Box, *sent: Any) -> int:
    with database.write() as session:
        return receipts.accept(session, box.player, sent)


def stored(database: Database) -> int:
    with database.read() as session:
        return session.scalar(sa.select(sa.func.count(Receipt.id))) or 0


def set_state(database: Database, play: Play, state: str, reason: str | None = None) -> None:
    with database.write() as session:
        session.execute(
            sa.update(Play).where(Play.id == play.id).values(state=state, reason=reason)
        )


@pytest.fixture
def play(box: Box, plays: Plays) -> Play:
    return plays(area_code=VILLAGES[0])[0]


@on_both_databases
def test_a_receipt_turns_the_play_to_played(
    database: Database, box: Box, play: Play, plays: Plays
) -> None:
    assert accept(database, box, box.played(play, 3.25)) == 1
    found = plays(id=play.id)[0]
    assert (found.state, found.start_error_ms, found.reason) == ("played", 3.25, None)
    assert found.started_at is not None
    with database.read() as session:
        news = session.scalars(sa.select(OutboxEvent).where(OutboxEvent.kind == "play.changed"))
        assert [event.payload for event in news] == [{"play_id": play.id}]


@on_both_databases
def test_the_same_receipt_twice_is_stored_once(database: Database, box: Box, play: Play) -> None:
    receipt = box.played(play)
    assert [accept(database, box, receipt), accept(database, box, receipt)] == [1, 1]
    assert stored(database) == 1


def test_a_gap_is_acknowledged_up_to_what_is_whole(
    database: Database, box: Box, plays: Plays
) -> None:
    first, second, third = (box.played(play) for play in plays(area_code=VILLAGES[0])[:3])
    assert accept(database, box, third, first) == 1
    assert accept(database, box, third) == 1
    assert accept(database, box, second, third) == 3


def test_nothing_to_say_is_acknowledged_with_zero(database: Database, box: Box) -> None:
    assert accept(database, box) == 0


def broken(receipt: dict[str, str], **changes: str) -> dict[str, str]:
    return {**receipt, **changes}


def test_a_wrong_signature_is_refused(database: Database, box: Box, play: Play) -> None:
    receipt = box.played(play)
    impostor = Box(box.player, "", "", Ed25519PrivateKey.generate())
    forged = impostor.played(play)
    with pytest.raises(InvalidInput, match="signature of receipt 1 is wrong"):
        accept(database, box, forged)
    with pytest.raises(InvalidInput, match="signature"):
        accept(database, box, broken(receipt, signature="!!!"))
    assert stored(database) == 0


def test_a_changed_body_is_refused(database: Database, box: Box, play: Play) -> None:
    receipt = box.missed(play, "player_off")
    lie = receipt["body"].replace("player_off", "overlap")
    with pytest.raises(InvalidInput, match="hash of receipt 1"):
        accept(database, box, broken(receipt, body=lie))


def test_a_receipt_that_skips_its_predecessor_is_refused(
    database: Database, box: Box, play: Play
) -> None:
    accept(database, box, box.played(play))
    box.last_hash = "f" * 64
    with pytest.raises(Conflict, match="does not follow"):
        accept(database, box, box.played(play))


def test_a_receipt_in_another_players_name_is_refused(
    database: Database, town: Town, box: Box, play: Play
) -> None:
    other = enrolled(database, town.administrator, VILLAGES[1])
    with pytest.raises(InvalidInput, match="another player"):
        accept(database, other, box.played(play))


def test_good_receipts_before_a_bad_one_are_kept(
    database: Database, box: Box, plays: Plays
) -> None:
    first, second = (box.played(play) for play in plays(area_code=VILLAGES[0])[:2])
    bad = broken(second, signature=first["signature"])
    assert accept(database, box, first, bad) == 1
    with pytest.raises(InvalidInput):
        accept(database, box, bad)
    assert accept(database, box, second) == 2


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        {},
        {"body": "x"},
        {"body": "[]", "hash": "", "previous_hash": "", "signature": ""},
        {"body": '{"seq": -1}', "hash": "", "previous_hash": "", "signature": ""},
        {"body": "9" * 5000, "hash": "", "previous_hash": "", "signature": ""},
    ],
)
def test_nonsense_is_refused(database: Database, box: Box, nonsense: Any) -> None:
    with pytest.raises(InvalidInput):
        accept(database, box, nonsense)


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": "sung"},
        {"started_at": None},
        {"started_at": "2026-06-01T12:00:00"},
        {"start_error_ms": "NaN"},
        {"play_id": 2**40},
    ],
)
def test_an_impossible_statement_is_refused_though_signed(
    database: Database, box: Box, play: Play, changes: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput):
        accept(database, box, box.played(play, **changes))


def test_a_play_of_another_village_is_kept_as_said_and_changes_nothing(
    database: Database, box: Box, plays: Plays
) -> None:
    foreign = plays(area_code=VILLAGES[1])[0]
    assert accept(database, box, box.played(foreign)) == 1
    assert accept(database, box, box.played(foreign, play_id=99_999)) == 2
    assert plays(id=foreign.id)[0].state == "planned"


def test_a_player_that_lost_its_memory_begins_a_new_chain(
    database: Database, box: Box, plays: Plays
) -> None:
    first, second, third = plays(area_code=VILLAGES[0])[:3]
    accept(database, box, box.played(first))
    box.seq, box.last_hash = 1_780_000_000, ""
    assert accept(database, box, box.played(second)) == 1_780_000_001
    assert accept(database, box, box.played(third)) == 1_780_000_002


def test_played_wins_over_missed_and_the_earliest_over_later(
    database: Database, town: Town, box: Box, play: Play, plays: Plays
) -> None:
    second = enrolled(database, town.administrator, VILLAGES[0])
    third = enrolled(database, town.administrator, VILLAGES[0])
    accept(database, box, box.missed(play, "sink_failed"))
    assert plays(id=play.id)[0].reason == "sink_failed"
    accept(database, second, second.played(play, 900.0))
    accept(database, third, third.played(play, 4.0))
    accept(database, box, box.missed(play, "overlap"))
    found = plays(id=play.id)[0]
    assert (found.state, found.start_error_ms) == ("played", 4.0)


def test_a_late_receipt_corrects_a_guess_and_says_so(
    database: Database, box: Box, play: Play, plays: Plays
) -> None:
    set_state(database, play, "missed", "no_receipt")
    accept(database, box, box.played(play))
    found = plays(id=play.id)[0]
    assert (found.state, found.reason) == ("played", "late_receipt")


def test_a_late_explanation_replaces_a_guess_but_no_other_explanation(
    database: Database, box: Box, play: Play, plays: Plays
) -> None:
    set_state(database, play, "missed", "no_receipt")
    accept(database, box, box.missed(play, "player_off"))
    accept(database, box, box.missed(play, "overlap"))
    assert plays(id=play.id)[0].reason == "player_off"


def test_what_sounded_though_cancelled_is_told(
    database: Database, box: Box, play: Play, plays: Plays
) -> None:
    set_state(database, play, "cancelled")
    accept(database, box, box.played(play))
    found = plays(id=play.id)[0]
    assert (found.state, found.reason) == ("played", "played_though_cancelled")


def test_an_older_edition_is_told(database: Database, box: Box, play: Play, plays: Plays) -> None:
    accept(database, box, box.played(play, clip_sha256="a" * 64))
    assert plays(id=play.id)[0].reason == "older_edition"


def test_every_statement_is_kept_word_for_word(database: Database, box: Box, play: Play) -> None:
    receipt = box.played(play)
    accept(database, box, receipt)
    with database.read() as session:
        row = session.scalars(sa.select(Receipt)).one()
    assert {"body": row.body, "hash": row.hash, "previous_hash": row.previous_hash,
            "signature": row.signature} == receipt  # fmt: skip
    assert json.loads(row.body)["clock_synchronised"] is True
