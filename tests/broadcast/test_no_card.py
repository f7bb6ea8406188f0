"""What a box without a sound card sounds goes into a file: nobody heard it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from broadcast import heard, players, receipts, test_tone
from broadcast.models import OverridePlay, Player, Receipt
from broadcast.tone_steps import Step
from core.blobs import BlobStore
from core.database import Database
from schedule.models import Play
from tests.broadcast.box import Box, enrolled
from tests.conftest import on_both_databases
from tests.schedule.town import VILLAGES, Town

pytestmark = on_both_databases
Plays = Callable[..., list[Play]]
NO_CARD = {
    "sink": {"kind": "wav", "name": "wav", "ok": True},
    "problems": {"no_card": "no sound card was found: what sounds goes to files"},
}
FILES_BY_CHOICE = {"sink": {"kind": "wav", "name": "wav", "ok": True}, "problems": {}}
CARD = {"sink": {"kind": "device", "name": "USB Audio", "ok": True}, "problems": {}}


def tell(database: Database, box: Box, health: dict[str, Any]) -> None:
    with database.write() as session:
        players.note_health(session, box.player.id, health)


def accept(database: Database, box: Box, *sent: Any) -> None:
    with database.write() as session:
        receipts.accept(session, session.get_one(Player, box.player.id), sent)


@pytest.fixture
def play(box: Box, plays: Plays) -> Play:
    return plays(area_code=VILLAGES[0])[0]


def test_what_went_into_a_file_for_want_of_a_card_counts_as_missed(
    database: Database, box: Box, play: Play, plays: Plays
) -> None:
    tell(database, box, NO_CARD)
    accept(database, box, box.played(play))
    found = plays(id=play.id)[0]
    assert (found.state, found.reason, found.started_at) == ("missed", "no_card", None)


def test_what_the_player_said_of_it_is_kept_word_for_word(
    database: Database, box: Box, play: Play
) -> None:
    tell(database, box, NO_CARD)
    receipt = box.played(play)
    accept(database, box, receipt)
    with database.read() as session:
        row = session.scalars(sa.select(Receipt)).one()
        assert heard.last_sounded(session, [box.player.id]) == {}
    assert (row.outcome, row.reason, row.started_at) == ("missed", "no_card", None)
    assert (row.body, json.loads(row.body)["outcome"]) == (receipt["body"], "played")


@pytest.mark.parametrize("health", [FILES_BY_CHOICE, CARD, NO_CARD], ids=["files", "card", "none"])
@pytest.mark.parametrize("sink", ["wav", "device"])
def test_a_file_counts_where_files_were_asked_for_and_a_card_counts_always(
    database: Database, box: Box, play: Play, plays: Plays, health: dict[str, Any], sink: str
) -> None:
    tell(database, box, health)
    accept(database, box, box.played(play, sink=sink))
    is_heard = sink == "device" or health is FILES_BY_CHOICE
    assert (plays(id=play.id)[0].state == "played") is is_heard


def test_a_card_in_the_same_village_is_what_was_heard(
    database: Database, town: Town, box: Box, play: Play, plays: Plays
) -> None:
    second = enrolled(database, town.administrator, VILLAGES[0])
    tell(database, box, NO_CARD)
    accept(database, box, box.played(play))
    accept(database, second, second.played(play, sink="device"))
    found = plays(id=play.id)[0]
    assert (found.state, found.reason) == ("played", None)
    accept(database, box, box.played(play))
    assert plays(id=play.id)[0].state == "played"


def test_a_test_tone_into_a_file_is_stuck_where_it_should_have_sounded(
    database: Database, store: BlobStore, town: Town, box: Box
) -> None:
    with database.write() as session:
        actor = town.administrator
        test_id = test_tone.order(session, store, actor, [VILLAGES[0]], "form-1").id
        each = session.scalars(sa.select(OverridePlay)).one()
        at = each.starts_at.isoformat()
    tell(database, box, NO_CARD)
    body = {"play_id": each.id, "outcome": "played", "sink": "wav", "started_at": at}
    accept(database, box, box.sign(body))
    with database.read() as session:
        (road,) = test_tone.roads(session, actor, test_tone.get(session, actor, test_id))
        steps: dict[str, Step] = {step.name: step for step in road.steps}
        assert session.scalars(sa.select(OverridePlay.state)).one() == "missed"
    assert steps["sounded"].state == "stuck"
    assert "no sound card" in steps["sounded"].words
