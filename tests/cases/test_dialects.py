"""A dialect routes: to those who understand it, or, where nobody does, to all."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from cases import dialects, ledger, review
from cases.dialects import MINE, NOBODYS, NOWHERE, OTHERS, Routing
from cases.models import Report
from core.auth import Actor
from core.database import Database
from core.errors import InvalidInput, NotFound
from core.models import AuditEntry, OutboxEvent
from tests.cases.conftest import Arrive, Cast
from tests.conftest import on_both_databases

WENZHOU = "温州话"


@pytest.fixture
def report(arrive: Arrive, database: Database, cast: Cast) -> int:
    """A report under review, in the dialect of Wenzhou."""
    number = arrive().report.id
    with database.write() as session:
        opened = review.start(session, cast.operator, number)
        review.set_dialect(session, cast.operator, number, opened.version, WENZHOU)
    return number


def learn(database: Database, actor: Actor, *names: str) -> None:
    with database.write() as session:
        dialects.set_known(session, actor, actor.id, names)


def place(database: Database, actor: Actor, number: int) -> str:
    with database.read() as session:
        return Routing(session, actor).of(session.get_one(Report, number))


def test_where_nobody_understands_it_stays_with_all(
    database: Database, cast: Cast, report: int
) -> None:
    assert place(database, cast.operator, report) == NOBODYS


def test_it_goes_to_those_who_understand(database: Database, cast: Cast, report: int) -> None:
    learn(database, cast.colleague, WENZHOU)
    assert place(database, cast.operator, report) == OTHERS
    assert place(database, cast.colleague, report) == MINE


@pytest.mark.parametrize("name", ["outsider", "dispatcher"])
def test_who_may_not_review_it_does_not_count(
    database: Database, cast: Cast, report: int, name: str
) -> None:
    learn(database, getattr(cast, name), WENZHOU)
    assert place(database, cast.operator, report) == NOBODYS


def test_a_confidential_report_goes_to_those_who_keep_secrets(
    database: Database, cast: Cast
) -> None:
    learn(database, cast.colleague, WENZHOU)
    with database.read() as session:
        assert Routing(session, cast.county).place(WENZHOU, None, True) == NOBODYS
    learn(database, cast.custodian, WENZHOU)
    with database.read() as session:
        assert Routing(session, cast.county).place(WENZHOU, None, True) == OTHERS


def test_plain_speech_routes_nowhere(database: Database, cast: Cast) -> None:
    with database.read() as session:
        routing = Routing(session, cast.operator)
        assert routing.place(dialects.PLAIN, None, False) == NOWHERE
        assert routing.place(None, None, False) == NOWHERE


@on_both_databases
def test_a_query_finds_what_is_for_others(
    database: Database, cast: Cast, report: int, arrive: Arrive
) -> None:
    other = arrive().report.id
    learn(database, cast.colleague, WENZHOU)
    with database.read() as session:
        for actor, expected in ((cast.operator, [report]), (cast.colleague, [])):
            condition = Routing(session, actor).elsewhere(sa.true())
            assert session.scalars(sa.select(Report.id).where(condition)).all() == expected
            mine = session.scalars(sa.select(Report.id).where(sa.not_(condition))).all()
            assert other in mine


def test_setting_it_is_history_and_news(database: Database, cast: Cast, report: int) -> None:
    with database.read() as session:
        event = ledger.events(session, report)[-1]
        news = session.scalars(
            sa.select(OutboxEvent).where(OutboxEvent.kind == "report.changed")
        ).all()
    assert (event.action, event.reason, event.actor_id) == ("dialect", WENZHOU, cast.operator.id)
    assert news[-1].payload == {"report_id": report}


def test_an_administrator_says_what_own_people_understand(database: Database, cast: Cast) -> None:
    with database.write() as session:
        dialects.set_known(
            session, cast.administrator, cast.operator.id, [" 闽南话 ", "", "闽南话"]
        )
        assert dialects.known_to(session, cast.operator.id) == ["闽南话"]
        trail = session.scalars(sa.select(AuditEntry.action)).all()
        with pytest.raises(NotFound):
            dialects.set_known(session, cast.administrator, cast.outsider.id, ["闽南话"])
        with pytest.raises(NotFound):
            dialects.set_known(session, cast.operator, cast.colleague.id, ["闽南话"])
    assert trail == ["user.dialects"]


def test_a_name_has_a_length(database: Database, cast: Cast, report: int) -> None:
    with database.write() as session, pytest.raises(InvalidInput) as refused:
        dialects.set_known(session, cast.operator, cast.operator.id, ["话" * 41])
    assert refused.value.field == "dialects"
