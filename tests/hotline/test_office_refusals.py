"""What the office answers about a refused report, and what came of key 1, over its real socket."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from cases import review
from cases.models import Report
from core.database import Database
from hotline.models import CallBack
from hotline.office import Office
from tests.hotline.test_office_answers import (
    CALLER,
    PIN,
    Ask,
    Cast,
    about,
    cast,
    make_case,
    put,
    report,
    solve,
)

__all__ = ["Office", "cast", "put", "report"]


def refuse(database: Database, cast: Cast, report: Report, reason: str, route: str = "") -> None:
    with database.write() as session:
        opened = review.start(session, cast["operator"], report.id)
        review.reject(
            session, cast["operator"], report.id, opened.version, reason=reason, route=route
        )


def test_who_asks_about_a_refusal_is_put_on_the_list_before_it_is_promised(
    database: Database, cast: Cast, report: Report, put: Ask
) -> None:
    refuse(database, cast, report, "劳动争议", "仲裁委")
    answer = put("status", **about(report, caller=CALLER))
    assert (answer["state"], answer["refusal"], answer["decided"]) == ("rejected", "owed", True)
    with database.read() as session:
        assert session.scalars(sa.select(CallBack.reason)).all() == ["refused"]


def test_where_nothing_was_heard_nothing_is_owed(
    database: Database, cast: Cast, report: Report, put: Ask
) -> None:
    refuse(database, cast, report, review.NO_CONTENT)
    assert put("status", **about(report, caller=CALLER))["refusal"] == "no_content"
    with database.read() as session:
        assert session.scalars(sa.select(CallBack)).all() == []


def test_only_what_is_decided_can_be_objected_to(
    database: Database, cast: Cast, report: Report, put: Ask
) -> None:
    def stands() -> tuple[bool, str | None]:
        answer = put("status", **about(report, pin=PIN))
        return answer["decided"], answer["refusal"]

    assert stands() == (False, None)
    case_id = make_case(database, cast, report)
    assert stands() == (False, None)
    solve(database, cast, case_id)
    assert stands() == (True, None)


@pytest.mark.parametrize("stage", ["received", "refused", "solved"])
def test_key_1_answers_what_came_of_it(
    database: Database, cast: Cast, report: Report, put: Ask, stage: str
) -> None:
    if stage == "refused":
        refuse(database, cast, report, "劳动争议", "仲裁委")
    elif stage == "solved":
        solve(database, cast, make_case(database, cast, report))
    calls = [put("not_satisfied", **about(report, pin=PIN, call_id=f"c{n}")) for n in range(2)]
    first = {"received": "reminded", "refused": "appealed", "solved": "reopened"}[stage]
    assert [answer["outcome"] for answer in calls] == [first, "repeated"]
