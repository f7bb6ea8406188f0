"""One-time codes, tokens, revoking."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from broadcast import players, presence
from broadcast.models import EnrolmentCode, Player, PlayerEvent, Speaker
from core.clock import FakeClock
from core.database import Database
from core.errors import Conflict, Forbidden, InvalidInput, NotFound
from tests.broadcast.box import Box, public_key
from tests.schedule.town import TOWNSHIP, VILLAGES, Town

KEY = public_key(Ed25519PrivateKey.generate())
OTHER_KEY = public_key(Ed25519PrivateKey.generate())


def code(database: Database, town: Town) -> str:
    with database.write() as session:
        return players.new_code(session, town.administrator, VILLAGES[1], "村委会").code


def enrol(database: Database, with_code: str, key: str = KEY) -> players.Enrolled:
    with database.write() as session:
        return players.enrol(session, with_code, "", key, "0.1")


def test_a_code_has_eight_characters_that_nobody_confuses(database: Database, town: Town) -> None:
    shown = code(database, town)
    assert len(shown.replace("-", "")) == 8
    assert not set(shown) & set("01OIL")


def test_a_code_lets_in_one_player_with_its_loudspeaker(database: Database, town: Town) -> None:
    found = enrol(database, code(database, town))
    with database.read() as session:
        player = players.authenticate(session, found.token)
        assert player is not None
        assert (player.area_code, player.name) == (VILLAGES[1], "村委会")
        speaker = session.scalars(sa.select(Speaker)).one()
        assert (speaker.driver, speaker.player_id) == ("player", player.id)


def test_a_code_may_be_typed_in_any_case_and_spacing(database: Database, town: Town) -> None:
    shown = code(database, town)
    assert enrol(database, f" {shown.lower().replace('-', ' ')} ").player.id


def test_a_used_code_lets_nobody_else_in(database: Database, town: Town) -> None:
    shown = code(database, town)
    enrol(database, shown)
    with pytest.raises(InvalidInput) as caught:
        enrol(database, shown, OTHER_KEY)
    assert caught.value.field == "code"


def test_a_player_whose_answer_was_lost_may_ask_again(database: Database, town: Town) -> None:
    shown = code(database, town)
    first, second = enrol(database, shown), enrol(database, shown)
    assert first.player.id == second.player.id
    with database.write() as session:
        assert players.authenticate(session, first.token) is None
        players.note_seen(session, second.player.id)
    with pytest.raises(InvalidInput):  # now the answer had arrived
        enrol(database, shown)


def test_a_code_dies_after_a_day(database: Database, town: Town, fake_clock: FakeClock) -> None:
    shown = code(database, town)
    fake_clock.advance(timedelta(hours=24))
    with pytest.raises(InvalidInput):
        enrol(database, shown)


@pytest.mark.parametrize("wrong", ["", "ABCD-EFGH", "x" * 500])
def test_a_wrong_code_is_refused(database: Database, town: Town, wrong: str) -> None:
    with pytest.raises(InvalidInput):
        enrol(database, wrong)


@pytest.mark.parametrize("wrong", ["", "not base64!", "QUJD"])
def test_a_wrong_key_is_refused_and_spends_no_code(
    database: Database, town: Town, wrong: str
) -> None:
    shown = code(database, town)
    with pytest.raises(InvalidInput) as caught:
        enrol(database, shown, wrong)
    assert caught.value.field == "public_key"
    assert enrol(database, shown)


def test_no_secret_is_stored_readable(database: Database, town: Town) -> None:
    shown = code(database, town)
    found = enrol(database, shown)
    with database.read() as session:
        stored = [
            str(value)
            for table in (Player.__table__, EnrolmentCode.__table__)
            for row in session.execute(sa.select(table))
            for value in row
        ]
    text = "\n".join(stored)
    for secret in (found.token, found.mqtt_password, shown, shown.replace("-", "")):
        assert secret not in text


def test_a_revoked_player_is_out_at_once(database: Database, town: Town, box: Box) -> None:
    for _ in range(2):
        with database.write() as session:
            players.revoke(session, town.administrator, box.player.id)
    with database.read() as session:
        assert players.authenticate(session, box.token) is None
        assert session.scalars(sa.select(Speaker)).all() == []


def test_a_player_waits_until_a_person_says_yes(database: Database, town: Town) -> None:
    enrol(database, code(database, town))
    with database.write() as session:
        (waiting,) = players.waiting_for_approval(session, town.administrator)
        with pytest.raises(Forbidden):
            players.approve(session, town.recorder, waiting.id)
        with pytest.raises(NotFound):
            players.approve(session, town.outsider, waiting.id)
        for _ in range(2):
            assert players.approve(session, town.administrator, waiting.id).approved_at
        assert players.waiting_for_approval(session, town.administrator) == []
    with database.read() as session:
        kinds = list(session.scalars(sa.select(PlayerEvent.kind).order_by(PlayerEvent.id)))
    assert kinds == ["enrolled", "approved"]


def test_a_player_that_was_refused_cannot_be_approved_later(database: Database, town: Town) -> None:
    enrol(database, code(database, town))
    with database.write() as session:
        (waiting,) = players.waiting_for_approval(session, town.administrator)
        players.revoke(session, town.administrator, waiting.id)
        assert players.waiting_for_approval(session, town.administrator) == []
        with pytest.raises(Conflict):
            players.approve(session, town.administrator, waiting.id)


def test_only_who_may_edit_loudspeakers_of_the_own_area(
    database: Database, town: Town, box: Box
) -> None:
    with database.write() as session:
        with pytest.raises(Forbidden):
            players.new_code(session, town.recorder, VILLAGES[0])
        with pytest.raises(NotFound):
            players.new_code(session, town.outsider, VILLAGES[0])
        with pytest.raises(NotFound):
            players.revoke(session, town.outsider, box.player.id)
        with pytest.raises(InvalidInput):
            players.new_code(session, town.administrator, TOWNSHIP)


def test_a_player_is_online_by_broker_or_by_asking(
    database: Database, box: Box, fake_clock: FakeClock
) -> None:
    def online() -> bool:
        with database.read() as session:
            return presence.is_online(session.get_one(Player, box.player.id))

    assert not online()
    with database.write() as session:
        players.note_seen(session, box.player.id)
    assert online()
    fake_clock.advance(timedelta(minutes=3))
    assert not online()
    with database.write() as session:
        players.set_online(session, box.player.area_code, box.player.id, True)
    fake_clock.advance(timedelta(minutes=3))
    assert online()
    with database.write() as session:
        players.set_online(session, box.player.area_code, box.player.id, False)
    assert not online()
