"""Reference and PIN open the status; guessing closes it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from cases import references, status
from cases.models import Report
from cases.status import Answer
from core.clock import FakeClock
from core.database import Database
from core.sealed import Sealer
from tests.cases.conftest import NUMBER, Arrive, Cast

LookUp = Callable[..., Answer]


@pytest.fixture
def report(
    database: Database, arrive: Arrive, cast: Cast, sealer: Sealer, fake_clock: FakeClock
) -> Report:
    with database.write() as session:
        number = references.reserve(session, 1)[0]
    pin_hash = sealer.keyed_hash("pin", number, "4711")
    return arrive(reference_no=number, pin_hash=pin_hash, caller_number=NUMBER).report


@pytest.fixture
def look_up(database: Database, sealer: Sealer) -> LookUp:
    def ask(number: str, pin: str | None = None, source: str = "here", **more: str) -> Answer:
        with database.write() as session:
            return status.look_up(session, sealer, number, pin=pin, source=source, **more)

    return ask


def test_reference_and_pin_tell_the_state(report: Report, look_up: LookUp) -> None:
    answer = look_up(references.spoken(report.reference_no), "4711")
    assert (answer.found, answer.state) == (True, "received")


def test_the_callers_number_tells_it_too(report: Report, look_up: LookUp) -> None:
    assert look_up(report.reference_no, caller_number=NUMBER).found
    assert not look_up(report.reference_no, caller_number="13900000000").found
    assert not look_up(report.reference_no, caller_number="").found


def test_unknown_and_wrong_are_answered_alike(report: Report, look_up: LookUp) -> None:
    unknown = "400000002"
    wrong = [look_up(report.reference_no, "0000", source=f"a{n}") for n in range(8)]
    missing = [look_up(unknown, "0000", source=f"b{n}") for n in range(8)]
    assert wrong == missing
    assert wrong[0] == Answer(False)


def test_five_wrong_tries_lock_a_reference_even_for_the_right_pin(
    report: Report, look_up: LookUp, fake_clock: FakeClock
) -> None:
    for n in range(5):
        assert look_up(report.reference_no, "0000", source=f"s{n}").locked_until is None
    assert look_up(report.reference_no, "4711", source="other").locked_until is not None
    fake_clock.advance(timedelta(minutes=31))
    assert look_up(report.reference_no, "4711", source="other").found


def test_each_lock_is_longer(report: Report, look_up: LookUp, fake_clock: FakeClock) -> None:
    lengths = []
    for _ in range(3):
        answer = Answer(False)
        while answer.locked_until is None:
            answer = look_up(report.reference_no, "0000", source="s")
        lengths.append(answer.locked_until - fake_clock.now())
        fake_clock.set(answer.locked_until)
    assert lengths == [timedelta(minutes=30), timedelta(minutes=60), timedelta(minutes=120)]


def test_one_place_cannot_try_many_references(report: Report, look_up: LookUp) -> None:
    answers = [look_up(f"{n:09d}", "1234", source="one place") for n in range(25)]
    assert answers[19].locked_until is None
    assert answers[20].locked_until is not None
    assert look_up(report.reference_no, "4711", source="another place").found


def test_right_answers_do_not_count_against_anybody(report: Report, look_up: LookUp) -> None:
    assert all(look_up(report.reference_no, "4711").found for _ in range(30))


def test_a_report_without_a_pin_opens_to_no_pin(
    arrive: Arrive, cast: Cast, look_up: LookUp
) -> None:
    number = arrive().report.reference_no
    assert not look_up(number, "").found
    assert not look_up(number, "-", source="b").found


def test_guesses_are_stored_without_the_address(
    report: Report, look_up: LookUp, database: Database
) -> None:
    look_up(report.reference_no, "1", source="203.0.113.9")
    with database.read() as session:
        stored = [guess.key for guess in session.query(status.StatusGuess)]
    assert not any("203.0" in key or report.reference_no in key for key in stored)
