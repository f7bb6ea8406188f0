"""What must not be deleted, years later: whatever is open, reopened, appealed, held or unclear."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from cases import residents, retention_hold, review
from cases.models import Case, CaseReport, Report, ReportEvent
from core.clock import utc_now
from tests.conftest import on_both_databases
from tests.retention.conftest import ROAD, Town

YEARS = 365 * 5
Situation = Callable[[Town], int]


def received(town: Town) -> int:
    return town.spoken()


def under_review(town: Town) -> int:
    report_id = town.spoken()
    town.under_review(report_id)
    return report_id


def at_step(count: int) -> Situation:
    """A case that got ``count`` steps far on its road to being closed."""

    def made(town: Town) -> int:
        report_id = town.spoken()
        town.step(town.accepted(report_id), *ROAD[:count])
        return report_id

    made.__name__ = f"after_{ROAD[count - 1]}" if count else "triaged"
    return made


def on_hold(town: Town) -> int:
    report_id = town.spoken()
    town.step(town.accepted(report_id), *ROAD[:3], "hold")
    return report_id


def reopened(town: Town) -> int:
    report_id = town.spoken()
    town.step(town.closed(report_id), "reopen")
    return report_id


def reopened_after_years(town: Town) -> int:
    report_id = town.spoken()
    case_id = town.closed(report_id)
    town.days_pass(YEARS)
    town.step(case_id, "reopen")
    return report_id


def reopened_by_the_resident(town: Town) -> int:
    report_id = town.spoken()
    town.closed(report_id)
    with town.database.write() as session:
        assert residents.not_satisfied(session, report_id, "call:1") == "reopened"
    return report_id


def appealed(town: Town) -> int:
    report_id = town.spoken()
    town.rejected(report_id)
    with town.database.write() as session:
        assert residents.not_satisfied(session, report_id, "call:1") == "appealed"
    return report_id


def back_in_review(town: Town) -> int:
    report_id = town.spoken()
    town.rejected(report_id)
    with town.database.write() as session:
        version = session.get_one(Report, report_id).version
        review.reopen(session, town.cast.operator, report_id, version, "申诉")
    return report_id


def held(town: Town) -> int:
    report_id = town.spoken()
    case_id = town.closed(report_id)
    with town.database.write() as session:
        retention_hold.hold(session, town.cast.county, case_id, "法院调取")
    return report_id


def duplicate_of_an_open_case(town: Town) -> int:
    case_id = town.accepted(town.spoken())
    report_id = town.spoken()
    town.joined(report_id, case_id)
    return report_id


def one_of_two_cases_is_open(town: Town) -> int:
    report_id = town.spoken()
    town.closed(report_id)
    other = town.accepted(town.spoken())
    with town.database.write() as session:
        session.add(CaseReport(case_id=other, report_id=report_id))
    return report_id


def one_of_two_cases_is_held(town: Town) -> int:
    report_id = town.spoken()
    town.closed(report_id)
    other = town.closed(town.spoken())
    with town.database.write() as session:
        session.add(CaseReport(case_id=other, report_id=report_id))
        retention_hold.hold(session, town.cast.county, other, "法院调取")
    return report_id


def an_unheard_voice_follows(town: Town) -> int:
    report_id = town.spoken()
    town.follows(town.closed(report_id))
    return report_id


def accepted_without_a_case(town: Town) -> int:
    report_id = town.spoken()
    case_id = town.closed(report_id)
    with town.database.write() as session:
        session.execute(sa.delete(CaseReport).where(CaseReport.case_id == case_id))
    return report_id


def refused_and_nothing_says_when(town: Town) -> int:
    report_id = town.spoken()
    town.rejected(report_id)
    with town.database.write() as session:
        session.execute(sa.delete(ReportEvent).where(ReportEvent.action == "reject"))
    return report_id


SITUATIONS: tuple[Situation, ...] = (
    received, under_review, *(at_step(count) for count in range(len(ROAD))), on_hold, reopened,
    reopened_after_years, reopened_by_the_resident, appealed, back_in_review, held,
    duplicate_of_an_open_case, one_of_two_cases_is_open, one_of_two_cases_is_held,
    an_unheard_voice_follows, accepted_without_a_case, refused_and_nothing_says_when,
)  # fmt: skip


@on_both_databases
@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda one: one.__name__)
def test_nothing_is_deleted_however_long_it_takes(town: Town, situation: Situation) -> None:
    report_id = situation(town)
    town.days_pass(YEARS)
    town.run()
    assert town.is_whole(report_id)
    assert not [
        one for one in town.trail("retention.audio") if one.subject == f"report:{report_id}"
    ]


@on_both_databases
@pytest.mark.parametrize("end", ["closed", "rejected"])
def test_a_recently_ended_matter_keeps_everything(town: Town, end: str) -> None:
    report_id = town.spoken()
    town.days_pass(YEARS)  # what counts is the end, not when it came in
    getattr(town, end)(report_id)
    town.days_pass(179)
    assert town.run().sounds == 0
    assert town.is_whole(report_id)


@on_both_databases
def test_a_case_that_was_reopened_begins_its_time_anew(town: Town) -> None:
    report_id = town.spoken()
    case_id = town.closed(report_id)
    town.days_pass(170)
    town.step(case_id, "reopen", *ROAD[1:])
    town.days_pass(179)
    town.run()
    assert town.is_whole(report_id)
    town.days_pass(1)
    assert town.run().sounds == 1


@on_both_databases
def test_a_late_duplicate_of_a_closed_case_has_its_own_time(town: Town) -> None:
    case_id = town.closed(town.spoken())
    town.days_pass(400)
    report_id = town.spoken()
    town.days_pass(100)
    town.joined(report_id, case_id)
    town.days_pass(179)
    town.run()
    assert town.is_whole(report_id)
    town.days_pass(1)
    assert town.run().sounds == 1


@on_both_databases
def test_what_a_clock_years_back_wrote_down_is_not_taken_for_old(town: Town) -> None:
    report_id = town.spoken()
    case_id = town.accepted(report_id)
    town.step(case_id, *ROAD[:4])
    town.days_pass(-YEARS)
    town.step(case_id, *ROAD[4:])
    town.days_pass(YEARS + 179)
    town.run()
    assert town.is_whole(report_id)


@on_both_databases
def test_the_words_of_a_case_stay_while_one_of_its_reports_keeps_its_own(town: Town) -> None:
    first = town.spoken()
    case_id = town.closed(first)
    town.days_pass(400)
    second = town.spoken()
    town.joined(second, case_id)
    town.days_pass(730 - 400 + 1)
    town.run()
    assert town.report(first).words_gone_at is not None
    assert town.report(second).words_gone_at is None
    assert town.case(case_id).words_gone_at is None


@on_both_databases
def test_a_hold_that_comes_after_the_sound_still_keeps_the_words(town: Town) -> None:
    report_id = town.spoken()
    case_id = town.closed(report_id)
    town.days_pass(200)
    town.run()
    with town.database.write() as session:
        retention_hold.hold(session, town.cast.county, case_id, "法院调取")
    town.days_pass(YEARS)
    town.run()
    assert town.report(report_id).words_gone_at is None
    assert town.case(case_id).words_gone_at is None
    with town.database.write() as session:
        retention_hold.lift(session, town.cast.county, case_id)
    town.run()
    assert town.report(report_id).words_gone_at is not None


def test_the_day_it_is_due_counts_from_the_closing(town: Town) -> None:
    report_id = town.spoken()
    case_id = town.closed(report_id)
    with town.database.read() as session:
        from cases import retention

        report = session.get_one(Report, report_id)
        assert retention.over_since(session, report) == utc_now()
        assert retention.case_over_since(session, session.get_one(Case, case_id)) == utc_now()
        keep = timedelta(days=180)
        assert not retention.is_due(session, report, keep, utc_now() + keep - timedelta(seconds=1))
        assert retention.is_due(session, report, keep, utc_now() + keep)
