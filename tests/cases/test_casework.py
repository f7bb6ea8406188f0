"""Steps of a case in the database: events, owners, locks, areas."""

from __future__ import annotations

import pytest

from cases import access, casework, handlers, review, statistics
from cases.lifecycle import Action
from cases.models import Case
from cases.review import Decision
from core.auth import Actor
from core.database import Database
from core.errors import Conflict, Forbidden, InvalidInput, NotFound
from tests.cases.conftest import Arrive, Cast


@pytest.fixture
def case(database: Database, arrive: Arrive, cast: Cast) -> Case:
    return make_case(database, arrive, cast.operator)


def make_case(
    database: Database, arrive: Arrive, actor: Actor, *, confidential: bool = False
) -> Case:
    report = arrive(confidential=confidential).report
    with database.write() as session:
        opened = review.start(session, actor, report.id)
        return review.accept(
            session, actor, report.id, opened.version, Decision(summary="路灯不亮")
        )


def step(database: Database, actor: Actor, case: Case, action: Action, **fields: object) -> Case:
    with database.write() as session:
        version = session.get_one(Case, case.id).version
        return casework.transition(
            session,
            actor,
            case.id,
            action,
            version,
            **fields,  # type: ignore[arg-type]
        )


def test_the_road_of_a_case_from_dispatch_to_closing(
    database: Database, cast: Cast, case: Case
) -> None:
    step(database, cast.dispatcher, case, Action.ASSIGN, handler_id=cast.handler.id)
    step(database, cast.handler, case, Action.ACCEPT)
    step(database, cast.handler, case, Action.BEGIN)
    step(database, cast.handler, case, Action.RESOLVE, reason="换了灯泡")
    step(database, cast.city, case, Action.VERIFY)
    done = step(database, cast.city, case, Action.CLOSE, outcome="satisfied")
    assert (done.status, done.verification_outcome) == ("closed", "satisfied")
    with database.read() as session:
        told = [(e.action, e.before, e.after) for e in casework.events(session, case.id)]
    assert told == [
        ("open", None, "triaged"),
        ("assign", "triaged", "assigned"),
        ("accept", "assigned", "accepted"),
        ("begin", "accepted", "in_progress"),
        ("resolve", "in_progress", "resolved"),
        ("verify", "resolved", "verifying"),
        ("close", "verifying", "closed"),
    ]


def test_a_reopened_case_starts_a_cycle_with_its_old_handler(
    database: Database, cast: Cast, case: Case
) -> None:
    step(database, cast.dispatcher, case, Action.ASSIGN, handler_id=cast.handler.id)
    for action, fields in (
        (Action.ACCEPT, {}),
        (Action.BEGIN, {}),
        (Action.RESOLVE, {"reason": "done"}),
    ):
        step(database, cast.handler, case, action, **fields)
    step(database, cast.city, case, Action.VERIFY)
    back = step(database, cast.city, case, Action.REOPEN, reason="仍不亮")
    assert (back.status, back.cycle_no, back.owner_id) == ("assigned", 2, cast.handler.id)


def test_an_old_version_changes_nothing(database: Database, cast: Cast, case: Case) -> None:
    step(database, cast.dispatcher, case, Action.ASSIGN, handler_id=cast.handler.id)
    with database.write() as session, pytest.raises(Conflict):
        casework.transition(session, cast.handler, case.id, Action.ACCEPT, version=1)


def test_a_handler_must_stand_above_the_village(database: Database, cast: Cast, case: Case) -> None:
    for wrong in (cast.outsider.id, cast.recorder.id, 9999):
        with pytest.raises(InvalidInput) as refused:
            step(database, cast.dispatcher, case, Action.ASSIGN, handler_id=wrong)
        assert refused.value.field == "handler_id"
    with database.read() as session:
        offered = {user.login for user in handlers.can_take(session, case)}
    assert offered == {"handler", "other_handler", "township", "county"}


def test_an_operator_dispatches_nothing(database: Database, cast: Cast, case: Case) -> None:
    with pytest.raises(Forbidden):
        step(database, cast.operator, case, Action.ASSIGN, handler_id=cast.handler.id)


def test_another_handler_takes_no_step(database: Database, cast: Cast, case: Case) -> None:
    step(database, cast.dispatcher, case, Action.ASSIGN, handler_id=cast.handler.id)
    with pytest.raises(Forbidden):
        step(database, cast.other_handler, case, Action.ACCEPT)


def test_another_areas_case_does_not_exist(database: Database, cast: Cast, case: Case) -> None:
    with pytest.raises(NotFound):
        step(database, cast.outsider, case, Action.ASSIGN, handler_id=cast.handler.id)


def test_only_steps_one_may_take_are_offered(database: Database, cast: Cast, case: Case) -> None:
    assigned = step(database, cast.dispatcher, case, Action.ASSIGN, handler_id=cast.handler.id)
    with database.read() as session:

        def offered(actor: Actor) -> list[str]:
            return [s.action.value for s in casework.steps_for(session, actor, assigned)]

        assert offered(cast.handler) == ["accept", "request_return"]
        assert offered(cast.other_handler) == []
        assert offered(cast.operator) == []


def test_a_confidential_case_is_seen_by_few_and_its_handler(
    database: Database, arrive: Arrive, cast: Cast
) -> None:
    secret = make_case(database, arrive, cast.county, confidential=True)
    assigned = step(database, cast.county, secret, Action.ASSIGN, handler_id=cast.handler.id)
    with database.read() as session:
        for actor in (cast.county, cast.custodian, cast.handler):
            assert access.case(session, actor, assigned.id).id == secret.id
        for actor in (cast.operator, cast.dispatcher, cast.township, cast.other_handler, cast.city):
            with pytest.raises(NotFound):
                access.case(session, actor, assigned.id)
        assert access.reports_of(session, cast.handler, assigned) == []
        assert len(access.reports_of(session, cast.county, assigned)) == 1


def test_counts_add_up_and_know_their_viewer(
    database: Database, arrive: Arrive, cast: Cast, case: Case
) -> None:
    arrive()
    arrive(confidential=True)
    with database.read() as session:
        everything = statistics.counts(session)
        assert (everything.reports_total, everything.cases_total) == (3, 1)
        assert everything.reports["received"] == 2
        assert everything.reports["accepted"] == 1
        assert everything.open_cases == 1
        assert statistics.counts(session, cast.operator).reports_total == 2
        assert statistics.counts(session, cast.county).reports_total == 3
        assert statistics.counts(session, cast.outsider).reports_total == 0
        assert statistics.counts(session, cast.recorder).cases_total == 0
