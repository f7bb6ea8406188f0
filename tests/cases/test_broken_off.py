"""Confidential, said of the whole, covers the case that was made of its first half."""

from __future__ import annotations

import pytest

from cases import access, answering, broken_off, casework, ledger, residents, review
from cases.lifecycle import Action
from cases.models import Case, CaseReport, Report
from cases.review import Decision
from core.auth import Actor
from core.clock import FakeClock
from core.database import Database
from core.errors import Conflict, NotFound
from tests.cases.conftest import Arrive, Cast
from tests.conftest import on_both_databases


@pytest.fixture
def half(arrive: Arrive, cast: Cast, fake_clock: FakeClock) -> Report:
    return arrive(cut_off=True).report


@pytest.fixture
def case_id(database: Database, cast: Cast, half: Report) -> int:
    """What an operator made of the first half."""
    with database.write() as session:
        opened = review.start(session, cast.operator, half.id)
        decision = Decision(summary="干部的事")
        return review.accept(session, cast.operator, half.id, opened.version, decision).id


def step(database: Database, actor: Actor, case_id: int, action: str, handler: int = 0) -> None:
    with database.write() as session:
        version = session.get_one(Case, case_id).version
        casework.transition(
            session, actor, case_id, Action(action), version,
            reason="因为", handler_id=handler or None,
        )  # fmt: skip


def comes_whole(
    database: Database, arrive: Arrive, *halves: Report, confidential: bool = True
) -> Report:
    whole = arrive(confidential=confidential).report
    with database.write() as session:
        for half in halves:
            broken_off.tie(session, session.get_one(Report, whole.id), half.id)
        return session.get_one(Report, whole.id)


def now(database: Database, case_id: int) -> Case:
    with database.read() as session:
        return session.get_one(Case, case_id)


def report_ids(database: Database, case_id: int) -> set[int]:
    with database.read() as session:
        found = session.query(CaseReport).where(CaseReport.case_id == case_id)
        return {one.report_id for one in found}


def actions(database: Database, case_id: int) -> list[str]:
    with database.read() as session:
        return [event.action for event in casework.events(session, case_id)]


def sees(database: Database, actor: Actor, case_id: int) -> bool:
    with database.read() as session:
        try:
            access.case(session, actor, case_id)
        except NotFound:
            return False
        return True


@on_both_databases
def test_a_case_of_the_half_alone_becomes_confidential_and_goes_to_few(
    database: Database, arrive: Arrive, cast: Cast, half: Report, case_id: int
) -> None:
    assert sees(database, cast.operator, case_id)
    whole = comes_whole(database, arrive, half)
    assert now(database, case_id).confidential
    assert now(database, case_id).owner_id == cast.county.id
    assert actions(database, case_id)[-2:] == [answering.MADE_CONFIDENTIAL, answering.HANDED_OVER]
    assert report_ids(database, case_id) == {half.id, whole.id}
    for actor in (cast.operator, cast.dispatcher, cast.township, cast.handler, cast.city):
        assert not sees(database, actor, case_id)
    assert sees(database, cast.county, case_id)
    assert sees(database, cast.custodian, case_id)


@pytest.mark.parametrize("road", [(), ("accept", "begin"), ("request_return",)])
def test_a_handler_whom_nobody_of_the_few_has_chosen_gives_it_back(
    database: Database,
    arrive: Arrive,
    cast: Cast,
    half: Report,
    case_id: int,
    road: tuple[str, ...],
) -> None:
    step(database, cast.dispatcher, case_id, "assign", cast.handler.id)
    for action in road:
        step(database, cast.handler, case_id, action)
    comes_whole(database, arrive, half)
    found = now(database, case_id)
    assert (found.owner_id, found.handler_id) == (cast.county.id, cast.county.id)
    assert not sees(database, cast.handler, case_id)


def test_who_keeps_secrets_keeps_the_case(
    database: Database, arrive: Arrive, cast: Cast, half: Report, case_id: int
) -> None:
    step(database, cast.dispatcher, case_id, "assign", cast.county.id)
    comes_whole(database, arrive, half)
    assert now(database, case_id).handler_id == cast.county.id
    assert answering.HANDED_OVER not in actions(database, case_id)


def test_who_did_the_work_stays_known_when_it_becomes_confidential_afterwards(
    database: Database, arrive: Arrive, cast: Cast, half: Report, case_id: int
) -> None:
    step(database, cast.dispatcher, case_id, "assign", cast.handler.id)
    for action in ("accept", "begin", "resolve"):
        step(database, cast.handler, case_id, action)
    comes_whole(database, arrive, half)
    found = now(database, case_id)
    assert (found.owner_id, found.handler_id) == (cast.county.id, cast.handler.id)


def test_without_the_wish_the_case_stays_open_to_all_and_is_followed(
    database: Database, arrive: Arrive, cast: Cast, half: Report, case_id: int
) -> None:
    whole = comes_whole(database, arrive, half, confidential=False)
    assert not now(database, case_id).confidential
    assert report_ids(database, case_id) == {half.id, whole.id}
    assert sees(database, cast.operator, case_id)


def test_a_case_that_others_share_stays_open_and_the_whole_waits_for_the_county(
    database: Database, arrive: Arrive, cast: Cast, half: Report, case_id: int
) -> None:
    neighbour = arrive().report
    with database.write() as session:
        opened = review.start(session, cast.operator, neighbour.id)
        review.join(session, cast.operator, neighbour.id, opened.version, case_id)
    whole = comes_whole(database, arrive, half)
    found = now(database, case_id)
    assert not found.confidential
    assert report_ids(database, case_id) == {half.id, neighbour.id}
    assert (whole.state, whole.confidential) == ("received", True)
    with database.read() as session:
        told = [(one.action, one.reason) for one in ledger.events(session, whole.id)]
        open_to_all = access.reports_of(session, cast.operator, session.get_one(Case, case_id))
    assert (broken_off.KEPT_APART, found.case_no) in told
    assert [one.id for one in open_to_all] == [neighbour.id]


def test_other_halves_and_later_words_of_the_same_person_are_no_others(
    database: Database, arrive: Arrive, cast: Cast, half: Report, case_id: int
) -> None:
    longer_half = comes_whole(database, arrive, half, confidential=False)
    later = arrive().report
    with database.write() as session:
        said, about = session.get_one(Report, later.id), session.get_one(Report, half.id)
        residents.attach(session, said, about, "web:later")
    whole = comes_whole(database, arrive, half, longer_half)
    assert now(database, case_id).confidential
    with database.read() as session:
        all_of_it = [session.get_one(Report, one.id) for one in (half, longer_half, later, whole)]
        assert all(one.confidential for one in all_of_it)
    assert report_ids(database, case_id) == {half.id, longer_half.id, later.id, whole.id}


def test_who_was_about_to_decide_on_the_half_no_longer_makes_an_open_case_of_it(
    database: Database, arrive: Arrive, cast: Cast, half: Report
) -> None:
    with database.write() as session:
        opened = review.start(session, cast.operator, half.id)
    comes_whole(database, arrive, half)
    with database.write() as session, pytest.raises(Conflict):
        ledger.change(
            session, cast.operator, session.get_one(Report, half.id), opened.version,
            state="accepted",
        )  # fmt: skip
