"""A case always has somebody who can come and may act, also when it comes back after months."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from cases import answering, casework, handing_over, handlers, residents, review
from cases.access import CONFIDENTIAL_ROLES
from cases.handing_over import Standing
from cases.lifecycle import Action
from cases.models import Case, CaseReport
from cases.residents import Outcome
from cases.review import Decision
from core.auth import Actor
from core.clock import FakeClock
from core.database import Database
from core.models import User
from tests.cases.conftest import ELSEWHERE, Arrive, Cast
from tests.conftest import on_both_databases

DONE_ROADS = [("resolve",), ("resolve", "verify"), ("resolve", "verify", "close")]


def make_case(
    database: Database, arrive: Arrive, maker: Actor, *, confidential: bool = False
) -> int:
    report = arrive(confidential=confidential).report
    with database.write() as session:
        opened = review.start(session, maker, report.id)
        decision = Decision(summary="路灯坏了")
        return review.accept(session, maker, report.id, opened.version, decision).id


@pytest.fixture
def case_id(database: Database, arrive: Arrive, cast: Cast, fake_clock: FakeClock) -> int:
    return make_case(database, arrive, cast.operator)


def step(database: Database, actor: Actor, case_id: int, action: str, handler: int = 0) -> Case:
    with database.write() as session:
        return casework.transition(
            session,
            actor,
            case_id,
            Action(action),
            session.get_one(Case, case_id).version,
            reason="因为",
            handler_id=handler or None,
            outcome="satisfied" if action == "close" else None,
        )


def go(database: Database, cast: Cast, case_id: int, *actions: str) -> None:
    """Steps by those whose steps they are; the handler of the cast gets the case."""
    actors = {"assign": cast.dispatcher, "verify": cast.city, "close": cast.city}
    for action in actions:
        handler = cast.handler.id if action == "assign" else 0
        step(database, actors.get(action, cast.handler), case_id, action, handler)


def shut_out(database: Database, *actors: Actor) -> None:
    for actor in actors:
        with database.write() as session:
            user = session.get_one(User, actor.id)
            stood = Standing.of(user)
            user.active = False
            session.flush()
            handing_over.of(session, user, stood)


def move(database: Database, actor: Actor, area_code: str) -> None:
    with database.write() as session:
        user = session.get_one(User, actor.id)
        stood = Standing.of(user)
        user.area_code = area_code
        session.flush()
        handing_over.of(session, user, stood)


def not_satisfied(database: Database, case_id: int, key: str = "call:1") -> Outcome:
    with database.write() as session:
        report_id = session.scalars(
            sa.select(CaseReport.report_id).where(CaseReport.case_id == case_id)
        ).one()
        return residents.not_satisfied(session, report_id, key)


def now(database: Database, case_id: int) -> Case:
    with database.read() as session:
        return session.get_one(Case, case_id)


def last_event(database: Database, case_id: int) -> tuple[str, str | None]:
    with database.read() as session:
        event = casework.events(session, case_id)[-1]
        return event.action, event.reason


@on_both_databases
@pytest.mark.parametrize("road", DONE_ROADS, ids=lambda road: road[-1])
def test_what_a_resident_reopens_goes_to_somebody_else_when_its_handler_was_shut_out(
    database: Database, cast: Cast, case_id: int, road: tuple[str, ...]
) -> None:
    go(database, cast, case_id, "assign", "accept", "begin", *road)
    shut_out(database, cast.handler)
    assert not_satisfied(database, case_id) is Outcome.REOPENED
    found = now(database, case_id)
    assert (found.status, found.cycle_no) == ("assigned", 2)
    assert (found.owner_id, found.handler_id) == (cast.township.id, cast.township.id)
    assert last_event(database, case_id) == (answering.HANDED_OVER, "Handler")


def test_what_a_resident_reopens_goes_to_somebody_else_when_its_handler_moved_away(
    database: Database, cast: Cast, case_id: int
) -> None:
    go(database, cast, case_id, "assign", "accept", "begin", "resolve", "verify", "close")
    move(database, cast.handler, ELSEWHERE)
    not_satisfied(database, case_id)
    assert now(database, case_id).handler_id == cast.township.id


def test_what_the_centre_reopens_goes_to_somebody_else_when_its_handler_was_shut_out(
    database: Database, cast: Cast, case_id: int
) -> None:
    go(database, cast, case_id, "assign", "accept", "begin", "resolve", "verify")
    shut_out(database, cast.handler)
    back = step(database, cast.city, case_id, "reopen")
    assert (back.owner_id, back.handler_id) == (cast.township.id, cast.township.id)
    assert last_event(database, case_id) == (answering.HANDED_OVER, "Handler")


def test_who_reopens_a_case_gets_it_only_when_there_is_nobody_else(
    database: Database, cast: Cast, case_id: int
) -> None:
    other = make_case_of_township(database, cast, case_id)
    go(database, cast, case_id, "assign", "accept", "begin", "resolve")
    step(database, cast.county, case_id, "verify")
    shut_out(database, cast.handler)
    assert step(database, cast.county, case_id, "reopen").owner_id == other


def make_case_of_township(database: Database, cast: Cast, like: int) -> int:
    """The township has more to do than the county; its id."""
    with database.write() as session:
        model = session.get_one(Case, like)
        for number in range(3):
            session.add(
                Case(
                    case_no=f"X-{number}",
                    title="路灯",
                    summary="路灯坏了",
                    status="assigned",
                    village_code=model.village_code,
                    owner_id=cast.township.id,
                    handler_id=cast.township.id,
                    created_at=model.created_at,
                )
            )
    return cast.township.id


def test_without_anybody_else_who_works_the_handler_who_is_gone_is_followed_by_who_sees_it(
    database: Database, cast: Cast, case_id: int
) -> None:
    go(database, cast, case_id, "assign", "accept", "begin", "resolve")
    shut_out(database, cast.handler, cast.other_handler, cast.township, cast.county)
    not_satisfied(database, case_id)
    with database.read() as session:
        owner = session.get_one(User, session.get_one(Case, case_id).owner_id)
    assert owner.active
    assert owner.id in (cast.operator.id, cast.colleague.id, cast.dispatcher.id)


@on_both_databases
def test_a_case_that_is_returned_goes_past_a_dispatcher_who_was_shut_out(
    database: Database, cast: Cast, case_id: int
) -> None:
    go(database, cast, case_id, "assign")
    shut_out(database, cast.dispatcher)
    back = step(database, cast.handler, case_id, "request_return")
    assert (back.owner_id, back.handler_id) == (cast.township.id, cast.handler.id)
    assert last_event(database, case_id) == (answering.HANDED_OVER, "Dispatcher")
    again = step(database, cast.township, case_id, "assign", cast.other_handler.id)
    assert again.owner_id == cast.other_handler.id


def test_who_asks_to_return_a_case_does_not_get_it_back_while_others_may_dispatch(
    database: Database, cast: Cast, case_id: int
) -> None:
    step(database, cast.dispatcher, case_id, "assign", cast.township.id)
    shut_out(database, cast.dispatcher)
    back = step(database, cast.township, case_id, "request_return")
    assert back.owner_id == cast.county.id


def test_a_reopened_case_that_is_returned_goes_to_who_dispatched_it_at_first(
    database: Database, cast: Cast, case_id: int
) -> None:
    step(database, cast.county, case_id, "assign", cast.handler.id)
    go(database, cast, case_id, "accept", "begin", "resolve")
    not_satisfied(database, case_id)
    assert now(database, case_id).owner_id == cast.handler.id
    back = step(database, cast.handler, case_id, "request_return")
    assert (back.status, back.owner_id) == ("return_requested", cast.county.id)


def test_a_dispatcher_who_is_no_dispatcher_any_more_gets_no_case_back(
    database: Database, cast: Cast, case_id: int
) -> None:
    go(database, cast, case_id, "assign")
    with database.write() as session:
        session.get_one(User, cast.dispatcher.id).roles = ["operator"]
    back = step(database, cast.handler, case_id, "request_return")
    assert back.owner_id == cast.township.id


def test_the_handler_of_a_confidential_case_keeps_it_when_it_is_reopened(
    database: Database, arrive: Arrive, cast: Cast, fake_clock: FakeClock
) -> None:
    case_id = make_case(database, arrive, cast.county, confidential=True)
    step(database, cast.county, case_id, "assign", cast.handler.id)
    go(database, cast, case_id, "accept", "begin", "resolve")
    not_satisfied(database, case_id)
    assert now(database, case_id).owner_id == cast.handler.id


@pytest.mark.parametrize("road", [(), ("accept", "begin", "resolve")], ids=["in work", "done"])
def test_a_confidential_case_of_a_handler_who_was_shut_out_goes_to_few(
    database: Database, arrive: Arrive, cast: Cast, fake_clock: FakeClock, road: tuple[str, ...]
) -> None:
    case_id = make_case(database, arrive, cast.county, confidential=True)
    step(database, cast.county, case_id, "assign", cast.handler.id)
    go(database, cast, case_id, *road)
    shut_out(database, cast.handler)
    if road:
        not_satisfied(database, case_id)
    found = now(database, case_id)
    assert (found.owner_id, found.handler_id) == (cast.county.id, cast.county.id)
    assert cast.county.roles & CONFIDENTIAL_ROLES


@pytest.mark.parametrize(
    "database",
    [pytest.param("postgresql", marks=pytest.mark.real("postgresql"))],
    indirect=True,
)
def test_nobody_is_shut_out_unseen_while_a_case_comes_back_to_him(
    database: Database, cast: Cast, case_id: int
) -> None:
    go(database, cast, case_id, "assign", "accept", "begin", "resolve")
    shutting = sa.select(User).where(User.id == cast.handler.id)
    shutting = shutting.with_for_update(nowait=True, key_share=True)  # as an UPDATE of it does
    with database.write() as session:
        casework.reopen_for_resident(session, session.get_one(Case, case_id), "还是不亮")
        with pytest.raises(sa.exc.OperationalError), database.write() as meanwhile:
            meanwhile.scalars(shutting).one()


def test_a_case_that_came_back_to_somebody_else_can_be_finished(
    database: Database, cast: Cast, case_id: int, fake_clock: FakeClock
) -> None:
    go(database, cast, case_id, "assign", "accept", "begin", "resolve", "verify", "close")
    shut_out(database, cast.handler)
    fake_clock.advance(timedelta(days=29))
    not_satisfied(database, case_id)
    for action in ("accept", "begin", "resolve"):
        step(database, cast.township, case_id, action)
    assert now(database, case_id).status == "resolved"
    assert not cast.township.roles & handlers.MERE
