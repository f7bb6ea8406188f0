""" "Not satisfied", said by the person whose trouble it is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from cases import casework, residents, review, status
from cases.lifecycle import Action
from cases.models import Case, CaseEvent, CaseReport, Report, ReportEvent, ResidentWord
from cases.residents import Outcome
from cases.review import Decision
from core.clock import FakeClock
from core.database import Database
from core.models import User
from core.sealed import Sealer
from tests.cases.conftest import NUMBER, Arrive, Cast
from tests.conftest import on_both_databases

Say = Callable[..., Outcome]


@pytest.fixture
def report(arrive: Arrive, cast: Cast, fake_clock: FakeClock) -> Report:
    return arrive(caller_number=NUMBER).report


@pytest.fixture
def case(database: Database, report: Report, cast: Cast) -> Case:
    """A case that was assigned, taken and begun."""
    with database.write() as session:
        opened = review.start(session, cast.operator, report.id)
        made = review.accept(
            session, cast.operator, report.id, opened.version, Decision(summary="路灯坏了")
        )
    take(database, cast, made.id, "assign", "accept", "begin")
    return made


def take(database: Database, cast: Cast, case_id: int, *actions: str) -> None:
    """Steps of a case by whoever may take them."""
    actors = {"assign": cast.dispatcher, "verify": cast.county, "close": cast.county}
    for action in actions:
        with database.write() as session:
            casework.transition(
                session,
                actors.get(action, cast.handler),
                case_id,
                Action(action),
                session.get_one(Case, case_id).version,
                reason="修好了",
                handler_id=cast.handler.id if action == "assign" else None,
                outcome="satisfied" if action == "close" else None,
            )


@pytest.fixture
def say(database: Database, report: Report) -> Say:
    """Say "not satisfied" about the report; each time another call unless told."""
    count = 0

    def press(key: str | None = None) -> Outcome:
        nonlocal count
        count += 1
        with database.write() as session:
            return residents.not_satisfied(session, report.id, key or f"call:{count}")

    return press


def now(database: Database, case_id: int) -> Case:
    with database.read() as session:
        return session.get_one(Case, case_id)


def happened(database: Database, case_id: int) -> list[CaseEvent]:
    with database.read() as session:
        return [e for e in casework.events(session, case_id) if e.actor_id is None]


@on_both_databases
@pytest.mark.parametrize(
    "road", [("resolve",), ("resolve", "verify"), ("resolve", "verify", "close")]
)
def test_what_is_done_is_taken_up_again(
    database: Database, case: Case, cast: Cast, say: Say, road: tuple[str, ...]
) -> None:
    take(database, cast, case.id, *road)
    assert say() is Outcome.REOPENED
    found = now(database, case.id)
    assert (found.status, found.cycle_no, found.owner_id) == ("assigned", 2, cast.handler.id)
    assert found.verification_outcome is None
    last = happened(database, case.id)[-1]
    assert (last.action, last.reason, last.cycle_no) == ("reopen", residents.NOT_SATISFIED, 2)


def test_a_call_counts_once_even_if_it_is_told_twice(
    database: Database, case: Case, cast: Cast, say: Say, fake_clock: FakeClock
) -> None:
    take(database, cast, case.id, "resolve")
    assert say("call:a") is Outcome.REOPENED
    take(database, cast, case.id, "accept", "begin", "resolve")
    fake_clock.advance(timedelta(days=3))
    assert say("call:a") is Outcome.REOPENED
    assert now(database, case.id).status == "resolved"


def test_a_case_in_work_is_reminded_once_a_day(
    database: Database, case: Case, say: Say, fake_clock: FakeClock
) -> None:
    assert [say(), say()] == [Outcome.REMINDED, Outcome.REPEATED]
    fake_clock.advance(timedelta(days=1))
    assert say() is Outcome.REMINDED
    found = now(database, case.id)
    assert (found.status, found.cycle_no, found.version) == ("in_progress", 1, case.version + 3)
    assert [e.action for e in happened(database, case.id)] == ["reminder", "reminder"]


def test_pressing_again_after_a_reopening_reminds_nobody(
    database: Database, case: Case, cast: Cast, say: Say
) -> None:
    take(database, cast, case.id, "resolve")
    assert [say(), say()] == [Outcome.REOPENED, Outcome.REPEATED]
    assert now(database, case.id).cycle_no == 2


def test_a_reminder_of_the_morning_does_not_stop_a_reopening(
    database: Database, case: Case, cast: Cast, say: Say
) -> None:
    assert say() is Outcome.REMINDED
    take(database, cast, case.id, "resolve")
    assert say() is Outcome.REOPENED


@on_both_databases
def test_who_is_not_satisfied_twice_is_helped_by_the_township(
    database: Database, case: Case, cast: Cast, say: Say, fake_clock: FakeClock
) -> None:
    take(database, cast, case.id, "resolve")
    say()
    first = now(database, case.id)
    take(database, cast, case.id, "accept", "begin", "resolve")
    fake_clock.advance(timedelta(days=2))
    assert say() is Outcome.REOPENED
    second = now(database, case.id)
    assert (first.tier, first.handler_id) == ("village", cast.handler.id)
    assert (second.tier, second.handler_id, second.owner_id) == (
        "township", cast.township.id, cast.township.id,
    )  # fmt: skip
    assert (second.status, second.level) == ("assigned", "general")
    last = happened(database, case.id)[-1]
    assert (last.action, last.reason, last.cycle_no) == (casework.RAISED, "township", 3)


def test_without_anybody_in_the_tiers_above_the_handler_keeps_it(
    database: Database, case: Case, cast: Cast, say: Say, fake_clock: FakeClock
) -> None:
    with database.write() as session:
        for actor in (cast.township, cast.county):
            session.get_one(User, actor.id).active = False
    for _ in range(2):
        take(database, cast, case.id, "resolve")
        say()
        take(database, cast, case.id, "accept", "begin")
        fake_clock.advance(timedelta(days=2))
    found = now(database, case.id)
    assert (found.tier, found.handler_id) == ("township", cast.handler.id)


def test_thirty_days_after_closing_it_is_too_late(
    database: Database, case: Case, cast: Cast, say: Say, fake_clock: FakeClock
) -> None:
    take(database, cast, case.id, "resolve", "verify", "close")
    fake_clock.advance(timedelta(days=30, seconds=1))
    assert say() is Outcome.TOO_LATE
    assert now(database, case.id).status == "closed"
    with database.read() as session:
        assert not residents.may_say_so(session, session.get_one(Report, 1))


def test_on_the_thirtieth_day_it_is_not(
    database: Database, case: Case, cast: Cast, say: Say, fake_clock: FakeClock
) -> None:
    take(database, cast, case.id, "resolve", "verify", "close")
    fake_clock.advance(timedelta(days=30))
    assert say() is Outcome.REOPENED


@on_both_databases
def test_a_refused_report_goes_back_to_review(
    database: Database, report: Report, cast: Cast, say: Say
) -> None:
    with database.write() as session:
        opened = review.start(session, cast.operator, report.id)
        review.reject(
            session, cast.operator, report.id, opened.version, reason="不归我们管", route="法院"
        )
    assert say() is Outcome.APPEALED
    with database.read() as session:
        assert session.get_one(Report, report.id).state == "under_review"
        events = session.scalars(sa.select(ReportEvent).order_by(ReportEvent.id)).all()
    assert (events[-1].action, events[-1].actor_id) == ("appeal", None)
    assert say() is Outcome.REPEATED


def test_a_report_nobody_has_heard_is_reminded(say: Say) -> None:
    assert [say(), say()] == [Outcome.REMINDED, Outcome.REPEATED]


def test_two_who_press_at_once_reopen_once(
    database: Database, case: Case, cast: Cast, say: Say
) -> None:
    take(database, cast, case.id, "resolve")
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda _: say(), range(4)))
    assert outcomes.count(Outcome.REOPENED) == 1
    assert now(database, case.id).cycle_no == 2


@on_both_databases
def test_the_voice_that_says_why_follows_the_case_and_waits_to_be_heard(
    database: Database, case: Case, report: Report, arrive: Arrive, cast: Cast, say: Say
) -> None:
    take(database, cast, case.id, "resolve")
    say("call:why")
    said = arrive(typed_text="灯还是不亮", village_code=None).report
    for _ in range(2):
        with database.write() as session:
            residents.attach(
                session,
                session.get_one(Report, said.id),
                session.get_one(Report, report.id),
                "call:why",
            )
    with database.read() as session:
        found = session.get_one(Report, said.id)
        assert (found.state, found.village_code) == ("received", report.village_code)
        assert session.get(CaseReport, (case.id, said.id)) is not None
        assert session.get_one(ResidentWord, "call:why").said_report_id == said.id
    with database.write() as session:
        opened = review.start(session, cast.operator, said.id)
        joined = review.join(session, cast.operator, said.id, opened.version, case.id)
    assert joined.state == "duplicate"


def test_a_word_about_a_confidential_report_is_confidential(
    database: Database, arrive: Arrive, cast: Cast
) -> None:
    about, said = arrive(confidential=True).report, arrive().report
    with database.write() as session:
        residents.attach(
            session, session.get_one(Report, said.id), session.get_one(Report, about.id), "call:x"
        )
    with database.read() as session:
        assert session.get_one(Report, said.id).confidential


def test_the_status_tells_until_when_it_is_due_while_it_is_open(
    database: Database, case: Case, report: Report, cast: Cast, sealer: Sealer
) -> None:
    def step() -> status.CaseStep:
        with database.write() as session:
            return status.look_up(
                session, sealer, report.reference_no, caller_number=NUMBER, source="x"
            ).cases[0]

    assert step().due_at == case.created_at + timedelta(days=7)
    take(database, cast, case.id, "resolve")
    assert step().due_at is None
