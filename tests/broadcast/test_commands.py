"""Commands: asked once, signed, repeated until the player answers or their time is over."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from broadcast import commands, players
from broadcast.keys import ServerKey
from broadcast.models import PlayerCommand, PlayerEvent
from core import bell
from core.clock import FakeClock, utc_now
from core.database import Database
from core.errors import InvalidInput, NotFound
from core.models import OutboxEvent
from core.settings import Settings
from tests.broadcast.box import Box, enrolled
from tests.conftest import on_both_databases
from tests.schedule.town import VILLAGES, Town

MINUTE = timedelta(minutes=1)
START = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def signer(config: Settings) -> ServerKey:
    return ServerKey.from_settings(config)


@pytest.fixture
def neighbour(database: Database, town: Town) -> Box:
    return enrolled(database, town.administrator, VILLAGES[1])


def ask(database: Database, box: Box, kind: str = "resync", **more: Any) -> str:
    payload = more.pop("payload", {})
    with database.write() as session:
        asked = commands.request(session, None, box.player.id, kind, payload, MINUTE, **more)
        return asked.id


def answer(database: Database, box: Box, command_id: str, result: str, detail: str = "") -> str:
    with database.write() as session:
        return commands.acknowledge(session, box.player, command_id, result, detail).state


def kept(database: Database, command_id: str) -> PlayerCommand:
    with database.read() as session:
        return session.get_one(PlayerCommand, command_id)


def news(database: Database) -> list[dict[str, Any]]:
    query = sa.select(OutboxEvent.payload).where(OutboxEvent.kind == "command.answered")
    with database.read() as session:
        return list(session.scalars(query.order_by(OutboxEvent.id)))


def pending(database: Database, signer: ServerKey, box: Box) -> list[dict[str, str]]:
    with database.read() as session:
        return commands.pending(session, signer, box.player.id, utc_now())


def test_a_command_travels_signed_with_its_header_and_payload(
    database: Database, box: Box, signer: ServerKey
) -> None:
    asked = ask(database, box, "live_stop", payload={"session_id": "喊话-1"})
    (envelope,) = pending(database, signer, box)
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(signer.public))
    key.verify(base64.b64decode(envelope["signature"]), envelope["payload"].encode())
    assert envelope["key_id"] == signer.key_id
    assert json.loads(envelope["payload"]) == {
        "id": asked,
        "player_id": box.player.id,
        "kind": "live_stop",
        "expires_at": "2026-06-01T00:01:00Z",
        "session_id": "喊话-1",
    }


def test_the_oldest_command_comes_first(
    database: Database, box: Box, signer: ServerKey, fake_clock: FakeClock
) -> None:
    first = ask(database, box, "live")
    fake_clock.advance(timedelta(seconds=1))
    second = ask(database, box, "live_stop")
    found = [json.loads(each["payload"])["id"] for each in pending(database, signer, box)]
    assert found == [first, second]


def test_what_is_asked_again_under_its_own_id_is_one_command(database: Database, box: Box) -> None:
    assert ask(database, box, command_id="mine") == ask(database, box, command_id="mine") == "mine"
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count(PlayerCommand.id))) == 1


def test_an_id_of_another_command_is_a_mistake(
    database: Database, box: Box, neighbour: Box
) -> None:
    ask(database, box, command_id="mine")
    with pytest.raises(ValueError, match="another"):
        ask(database, neighbour, command_id="mine")


@pytest.mark.parametrize(
    ("kind", "payload"), [("explode", {}), ("live", {"player_id": "p-2"}), ("live", {"id": "x"})]
)
def test_a_command_no_player_understands_is_not_written(
    database: Database, box: Box, kind: str, payload: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="no command"):
        ask(database, box, kind, payload=payload)


def test_a_revoked_player_is_asked_nothing(database: Database, box: Box, town: Town) -> None:
    waiting = ask(database, box)
    with database.write() as session:
        players.revoke(session, town.administrator, box.player.id)
    with pytest.raises(NotFound):
        ask(database, box)
    with database.read() as session:
        assert commands.due(session, utc_now()) == []
    assert kept(database, waiting).state == "wanted"


def test_asking_rings_the_waker_when_it_is_committed(database: Database, box: Box) -> None:
    with bell.Bell("wake") as waiting:
        with database.write() as session:
            with session.begin_nested():
                commands.request(session, None, box.player.id, "resync", {}, MINUTE)
            assert not waiting.wait(0.1)
        assert waiting.wait(5)


@on_both_databases
def test_the_first_answer_counts_and_is_told_once(database: Database, box: Box) -> None:
    asked = ask(database, box)
    assert answer(database, box, asked, "done", "all fetched") == "done"
    assert answer(database, box, asked, "refused") == "done"
    found = kept(database, asked)
    assert (found.state, found.result) == ("done", "all fetched")
    assert found.acknowledged_at == utc_now()
    assert [(told["command_id"], told["result"]) for told in news(database)] == [(asked, "done")]


def test_an_answered_command_waits_no_more(database: Database, box: Box, signer: ServerKey) -> None:
    answer(database, box, ask(database, box), "done")
    assert pending(database, signer, box) == []


def test_a_command_of_another_player_is_not_there(
    database: Database, box: Box, neighbour: Box
) -> None:
    asked = ask(database, box)
    for foreign in (asked, "unknown"):
        with pytest.raises(NotFound):
            answer(database, neighbour, foreign, "done")
    assert kept(database, asked).state == "wanted"


def test_an_answer_that_is_none_is_refused(database: Database, box: Box) -> None:
    asked = ask(database, box)
    with pytest.raises(InvalidInput) as refused:
        answer(database, box, asked, "maybe")
    assert refused.value.field == "result"


def test_what_nobody_answered_in_time_expires_and_is_told(
    database: Database, box: Box, signer: ServerKey, fake_clock: FakeClock
) -> None:
    asked = ask(database, box)
    fake_clock.advance(MINUTE)
    assert pending(database, signer, box) == []
    for expected in (1, 0):
        with database.write() as session:
            assert commands.expire(session, utc_now()) == expected
    assert kept(database, asked).state == "expired"
    assert [told["answered"] for told in news(database)] == [False]


def test_a_late_answer_still_tells_what_happened(
    database: Database, box: Box, fake_clock: FakeClock
) -> None:
    asked = ask(database, box)
    fake_clock.advance(2 * MINUTE)
    with database.write() as session:
        commands.expire(session, utc_now())
    assert answer(database, box, asked, "done") == "done"


def test_a_withdrawn_command_is_sent_no_more(
    database: Database, box: Box, signer: ServerKey
) -> None:
    asked = ask(database, box, "live")
    with database.write() as session:
        assert commands.withdraw(session, asked)
        assert not commands.withdraw(session, asked)
    assert pending(database, signer, box) == []


def test_the_history_tells_refusals_and_what_changed_the_box(database: Database, box: Box) -> None:
    answer(database, box, ask(database, box, "live"), "done")
    answer(database, box, ask(database, box, "live"), "refused", "quiet")
    answer(database, box, ask(database, box, "update"), "done")
    with database.read() as session:
        told = session.scalars(
            sa.select(PlayerEvent.detail)
            .where(PlayerEvent.kind == "command")
            .order_by(PlayerEvent.id)
        ).all()
    assert list(told) == ["live refused: quiet", "update done"]


@on_both_databases
def test_what_was_sent_is_due_again_after_its_pause(
    database: Database, box: Box, fake_clock: FakeClock
) -> None:
    asked = ask(database, box)
    sent_after_s = []
    for second in range(60):
        with database.write() as session:
            if commands.due(session, utc_now()):
                commands.note_sent(session, [asked], utc_now())
                sent_after_s.append(second)
        fake_clock.advance(timedelta(seconds=1))
    assert sent_after_s == [0, 2, 7, 17, 47]
    assert kept(database, asked).tries == 5


@given(tries=st.integers(1, 50), late_s=st.floats(0, 1e6))
def test_a_repetition_is_due_after_its_pause_and_not_before(tries: int, late_s: float) -> None:
    pause = commands.repeat_due_at(tries, START)
    assert pause is not None
    assert timedelta(seconds=2) <= pause - START <= timedelta(seconds=60)
    assert commands.is_due(tries, START, pause + timedelta(seconds=late_s))
    assert not commands.is_due(tries, START, pause - timedelta(milliseconds=1))


@given(tries=st.integers(0, 50), back_s=st.floats(61, 1e8))
def test_a_clock_set_back_silences_no_command(tries: int, back_s: float) -> None:
    assert commands.is_due(tries, START, START - timedelta(seconds=back_s))
