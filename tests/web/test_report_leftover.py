"""A take that stayed after its form was handed in: nothing of it is lost, nothing comes twice."""
# ruff: noqa: F811 - fixtures are shared by importing them

from __future__ import annotations

from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from core.database import Database
from tests.web.test_report import numbers, reports, villager  # noqa: F401
from tests.web.test_report_halves import history, part, whole_sound
from tests.web.test_report_keeper import ABOUT, OTHER, leave, left, look
from tests.web.test_report_takes import begin, hand_in, name, piece, token  # noqa: F401
from tests.web.voices import silence, voice
from web.deps import Services

OPEN = replace(ABOUT, confidential=False)


def handed_in(villager: TestClient, token: str, sound: bytes = b"", **fields: str) -> None:
    """A form with ``sound``, or with words alone."""
    if sound:
        begin(villager, token)
        piece(villager, token, 0, sound)
    take = name(sound) if sound else ""
    numbers(hand_in(villager, token, take, text="路灯坏了", **fields).json()["receipt"])


def test_a_voice_whose_form_came_with_words_alone_is_a_later_word_about_it(
    villager: TestClient, token: str, services: Services, database: Database
) -> None:
    leave(services, part(2, 3), OTHER, OPEN)
    handed_in(villager, token)
    assert look(services) == 1
    words, said = reports(database)
    assert (words.state, words.cut_off) == ("received", False)
    assert (said.state, said.cut_off) == ("received", True)
    assert services.store.existing_path(said.audio_sha256 or "").read_bytes() == part(2, 3)
    assert ("follows", words.reference_no) in history(database, said)
    assert left(services) == []


def test_a_voice_that_is_longer_than_what_was_handed_in_is_kept(
    villager: TestClient, token: str, services: Services, database: Database
) -> None:
    leave(services, whole_sound(), OTHER, OPEN)
    handed_in(villager, token, part(2, 3))
    assert look(services) == 1
    shorter, longer = reports(database)
    assert services.store.existing_path(longer.audio_sha256 or "").read_bytes() == whole_sound()
    assert ("follows", shorter.reference_no) in history(database, longer)
    assert shorter.state == "received"


def test_another_voice_of_the_form_is_kept(
    villager: TestClient, token: str, services: Services, database: Database
) -> None:
    leave(services, voice("ogg", 5.0), OTHER, OPEN)
    handed_in(villager, token, whole_sound())
    assert look(services) == 1
    first, second = reports(database)
    assert ("follows", first.reference_no) in history(database, second)


def test_a_wish_for_confidence_in_the_form_covers_the_voice_that_stayed(
    villager: TestClient, token: str, services: Services, database: Database
) -> None:
    leave(services, part(2, 3), OTHER, OPEN)
    handed_in(villager, token, confidential="1")
    look(services)
    assert [one.confidential for one in reports(database)] == [True, True]


@pytest.mark.parametrize("all_of_it", [True, False])
def test_what_the_report_begins_with_makes_no_second_one(
    villager: TestClient, token: str, services: Services, database: Database, all_of_it: bool
) -> None:
    leave(services, whole_sound() if all_of_it else part(2, 3), OTHER, OPEN)
    handed_in(villager, token, whole_sound())
    assert look(services) == 0
    assert (len(reports(database)), left(services)) == (1, [])


def test_silence_that_stayed_is_thrown_away(
    villager: TestClient, token: str, services: Services, database: Database
) -> None:
    leave(services, silence(), OTHER, OPEN)
    handed_in(villager, token)
    assert look(services) == 0
    assert (len(reports(database)), left(services)) == (1, [])


def test_looking_twice_makes_one_report(
    villager: TestClient, token: str, services: Services, database: Database
) -> None:
    handed_in(villager, token)
    for _ in range(2):
        leave(services, part(2, 3), OTHER, OPEN)
        look(services)
    assert len(reports(database)) == 2
