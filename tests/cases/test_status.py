"""Reference and PIN open the status; guessing closes it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from cases import casework, references, review, status
from cases.lifecycle import Action
from cases.models import Case, Report, StatusGuess
from cases.review import Decision
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
    def ask(
        number: str, pin: str | None = None, source: str | None = "here", **more: str
    ) -> Answer:
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


def test_a_confidential_report_opens_by_the_pin_alone(
    database: Database, report: Report, look_up: LookUp
) -> None:
    with database.write() as session:
        session.get_one(Report, report.id).confidential = True
    assert not look_up(report.reference_no, caller_number=NUMBER).found
    assert look_up(report.reference_no, "4711", caller_number=NUMBER).found


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
    answers = [look_up(f"{n:09d}", "1234", source="one place") for n in range(35)]
    assert answers[29].locked_until is None
    assert answers[30].locked_until is not None
    assert look_up(report.reference_no, "4711", source="another place").found


def test_a_place_is_never_locked_for_long_however_much_was_tried(
    report: Report, look_up: LookUp, fake_clock: FakeClock
) -> None:
    for n in range(200):
        until = look_up(f"{n:09d}", "1234", source="one place").locked_until
    assert until == fake_clock.now() + timedelta(minutes=2)
    fake_clock.set(until)
    assert look_up(report.reference_no, "4711", source="one place").found
    fake_clock.advance(timedelta(hours=1))
    answers = [look_up(f"{n:09d}", "1234", source="one place") for n in range(35)]
    assert [bool(answer.locked_until) for answer in answers] == [False] * 30 + [True] * 5


def test_honest_mistakes_of_weeks_do_not_add_up(look_up: LookUp, fake_clock: FakeClock) -> None:
    for n in range(60):
        answer = look_up(f"{n:09d}", "1234", source="a village behind one address")
        assert answer.locked_until is None
        fake_clock.advance(timedelta(minutes=20))


def test_a_longer_lock_of_a_place_from_before_is_over_at_once(
    report: Report, look_up: LookUp, fake_clock: FakeClock, database: Database
) -> None:
    look_up("000000001", "1", source="here")
    with database.write() as session:
        for guess in session.query(StatusGuess).where(StatusGuess.key.startswith("from:")):
            guess.tries, guess.locks = 0, 10
            guess.locked_until = fake_clock.now() + timedelta(hours=24)
    assert look_up(report.reference_no, "4711").locked_until is not None
    fake_clock.advance(timedelta(minutes=2))
    assert look_up(report.reference_no, "4711").found


def test_who_comes_from_nowhere_is_held_back_by_the_reference_alone(
    report: Report, look_up: LookUp
) -> None:
    for n in range(50):
        assert look_up(f"{n:09d}", "1234", source=None).locked_until is None
    for _ in range(5):
        assert look_up(report.reference_no, "0000", source=None).locked_until is None
    assert look_up(report.reference_no, "4711", source=None).locked_until is not None


def test_nobody_guesses_at_one_reference_more_than_19_times_a_day(
    report: Report, look_up: LookUp, fake_clock: FakeClock
) -> None:
    """After however many locks the guesser rests for a day, so that all are forgiven."""
    a_day = []
    for locks in range(8):
        begun, guesses = fake_clock.now(), 0
        for lock in range(locks + 1):
            for _ in range(status.TRIES_PER_REFERENCE):
                answer = look_up(report.reference_no, "0000", source=None)
                assert answer.locked_until is None
                guesses += 1
            if lock < locks:
                until = look_up(report.reference_no, "0000", source=None).locked_until
                assert until is not None
                fake_clock.set(until)
        fake_clock.advance(timedelta(days=1, seconds=1))
        a_day.append(guesses * timedelta(days=1) / (fake_clock.now() - begun))
    assert 19 < max(a_day) < 19.1


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
        stored = [guess.key for guess in session.query(StatusGuess)]
    assert not any("203.0" in key or report.reference_no in key for key in stored)


def test_why_a_case_rests_is_told_while_it_does_and_for_the_pin_alone(
    database: Database, cast: Cast, report: Report, look_up: LookUp
) -> None:
    with database.write() as session:
        opened = review.start(session, cast.operator, report.id)
        decision = Decision(summary="路灯坏了")
        case_id = review.accept(session, cast.operator, report.id, opened.version, decision).id

    def step(action: Action) -> None:
        dispatching = action in (Action.ASSIGN, Action.HOLD)
        with database.write() as session:
            casework.transition(
                session,
                cast.dispatcher if dispatching else cast.handler,
                case_id,
                action,
                session.get_one(Case, case_id).version,
                reason="等配件" if action is Action.HOLD else "",
                handler_id=cast.handler.id if action is Action.ASSIGN else None,
            )

    def told(**proof: str) -> str | None:
        return look_up(report.reference_no, **proof).cases[0].hold_reason

    for action in (Action.ASSIGN, Action.ACCEPT, Action.BEGIN):
        step(action)
    assert told(pin="4711") is None
    step(Action.HOLD)
    assert told(pin="4711") == "等配件"
    assert told(caller_number=NUMBER) is None
    step(Action.RESUME)
    assert told(pin="4711") is None
