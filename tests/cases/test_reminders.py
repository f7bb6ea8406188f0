"""Whoever is reminded sees it: as long as nothing was done since."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cases import answering, casework, reminders, residents, review
from cases.lifecycle import Action
from cases.models import Case, Report
from cases.review import Decision
from core.clock import FakeClock
from core.database import Database
from core.models import User
from tests.cases.conftest import Arrive, Cast
from tests.conftest import on_both_databases


@pytest.fixture
def report(arrive: Arrive, cast: Cast, fake_clock: FakeClock) -> Report:
    return arrive().report


@pytest.fixture
def case_id(database: Database, report: Report, cast: Cast) -> int:
    with database.write() as session:
        opened = review.start(session, cast.operator, report.id)
        decision = Decision(summary="路灯坏了")
        made = review.accept(session, cast.operator, report.id, opened.version, decision)
    step(database, cast, made.id, "assign")
    return made.id


def step(database: Database, cast: Cast, case_id: int, action: str) -> None:
    with database.write() as session:
        casework.transition(
            session,
            cast.dispatcher if action == "assign" else cast.handler,
            case_id,
            Action(action),
            session.get_one(Case, case_id).version,
            reason="修好了",
            handler_id=cast.handler.id if action == "assign" else None,
        )


def ask_again(database: Database, report: Report, clock: FakeClock, days: int) -> None:
    """Once a day, on so many days."""
    for _ in range(days):
        clock.advance(timedelta(days=1))
        with database.write() as session:
            key = f"call:{clock.now().isoformat()}"
            assert residents.not_satisfied(session, report.id, key) is residents.Outcome.REMINDED


@on_both_databases
def test_reminders_of_a_case_count_since_its_last_step(
    database: Database, cast: Cast, report: Report, case_id: int, fake_clock: FakeClock
) -> None:
    def counted() -> dict[int, int]:
        with database.read() as session:
            return reminders.by_case(session, [case_id])

    assert counted() == {}
    ask_again(database, report, fake_clock, 2)
    assert counted() == {case_id: 2}
    step(database, cast, case_id, "accept")
    assert counted() == {}
    ask_again(database, report, fake_clock, 1)
    assert counted() == {case_id: 1}


def test_what_is_no_step_leaves_the_reminder_standing(
    database: Database, cast: Cast, report: Report, case_id: int, fake_clock: FakeClock
) -> None:
    ask_again(database, report, fake_clock, 1)
    with database.write() as session:
        case, handler = session.get_one(Case, case_id), session.get_one(User, cast.handler.id)
        assert answering.give(session, case, handler, answering.others(session, handler))
    with database.read() as session:
        assert reminders.by_case(session, [case_id]) == {case_id: 1}


def test_a_case_whose_work_is_done_waits_for_no_reminder(
    database: Database, cast: Cast, report: Report, case_id: int, fake_clock: FakeClock
) -> None:
    for action in ("accept", "begin"):
        step(database, cast, case_id, action)
    ask_again(database, report, fake_clock, 1)
    step(database, cast, case_id, "resolve")
    with database.read() as session:
        assert reminders.by_case(session, [case_id]) == {}


@on_both_databases
def test_reminders_of_a_report_count_until_it_is_decided(
    database: Database, cast: Cast, report: Report, fake_clock: FakeClock
) -> None:
    def counted() -> dict[int, int]:
        with database.read() as session:
            return reminders.by_report(session, [report.id])

    ask_again(database, report, fake_clock, 2)
    with database.write() as session:
        opened = review.start(session, cast.operator, report.id)
    assert counted() == {report.id: 2}
    with database.write() as session:
        review.reject(
            session, cast.operator, report.id, opened.version, reason="不归我们管", route="法院"
        )
    assert counted() == {}
