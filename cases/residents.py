"""What the person whose trouble it is may do with a reference number: say "not satisfied".

Done work is taken up again, a refusal goes back to review, work in progress gets a reminder
(催办). Saying it twice changes nothing: each call or form counts once, a reminder once a day.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import casework, deadlines, ledger
from cases.lifecycle import RESIDENT_REOPENS_WITHIN, ReportState
from cases.models import Case, CaseEvent, CaseReport, Report, ReportEvent, ResidentWord
from core import settings
from core.clock import utc_now

NOT_SATISFIED = "诉求人不满意"
REMINDED = "诉求人催办"
FOLLOWS = "follows"
"""Action of the event that ties a later voice to the report it is about."""


class Outcome(StrEnum):
    """What came of it; the strongest first, when a report became several cases."""

    REOPENED = "reopened"
    APPEALED = "appealed"
    REMINDED = "reminded"
    REPEATED = "repeated"
    TOO_LATE = "too_late"


def not_satisfied(session: Session, report_id: int, source_key: str) -> Outcome:
    """Act on "not satisfied" about a report; ``source_key`` names the call or the form.

    The caller of this has proved the right to speak: by PIN or number, or by a call's journal.
    """
    report = session.scalar(
        sa.select(Report)
        .where(Report.id == report_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    assert report is not None
    known = session.get(ResidentWord, source_key)
    if known is not None:
        return Outcome(known.outcome)
    outcome = _act(session, report)
    session.add(
        ResidentWord(
            source_key=source_key, report_id=report.id, at=utc_now(), outcome=outcome.value
        )
    )
    session.flush()
    return outcome


def may_say_so(session: Session, report: Report) -> bool:
    """Whether "not satisfied" would lead anywhere: not when all was closed too long ago."""
    cases = _cases(session, report.id)
    return not cases or any(not _closed_too_long(session, case) for case in cases)


def attach(session: Session, said: Report, about: Report, source_key: str) -> None:
    """Tie a voice that says why to the cases of the report it is about.

    It stays "received": somebody has yet to hear it, and danger in it must be found like in any
    other. It is as confidential as what it speaks of.
    """
    if session.scalar(_follows(said.id)) is not None:
        return
    said.confidential = said.confidential or about.confidential
    said.village_code = said.village_code or about.village_code
    for case in _cases(session, about.id):
        session.add(CaseReport(case_id=case.id, report_id=said.id))
    ledger.note(session, None, said, FOLLOWS, said.state, about.reference_no)
    word = session.get(ResidentWord, source_key)
    if word is not None:
        word.said_report_id = said.id
    ledger.tell(session, said)


def _act(session: Session, report: Report) -> Outcome:
    cases = _cases(session, report.id)
    if cases:
        return _strongest([_one(session, case) for case in cases])
    if report.state == ReportState.REJECTED:
        report.state, report.version = ReportState.UNDER_REVIEW.value, report.version + 1
        report.changed_at = utc_now()
        ledger.note(session, None, report, "appeal", ReportState.REJECTED.value, NOT_SATISFIED)
        ledger.tell(session, report)
        return Outcome.APPEALED
    if session.scalar(_resident_events(ReportEvent, ReportEvent.report_id == report.id)):
        return Outcome.REPEATED
    ledger.note(session, None, report, casework.REMINDER, report.state, REMINDED)
    ledger.tell(session, report)
    return Outcome.REMINDED


def _one(session: Session, case: Case) -> Outcome:
    if case.status in deadlines.DONE:
        if _closed_too_long(session, case):
            return Outcome.TOO_LATE
        casework.reopen_for_resident(session, case, NOT_SATISFIED)
        return Outcome.REOPENED
    if session.scalar(_resident_events(CaseEvent, CaseEvent.case_id == case.id)):
        return Outcome.REPEATED
    casework.remember_reminder(session, case, REMINDED)
    return Outcome.REMINDED


def _strongest(outcomes: Sequence[Outcome]) -> Outcome:
    return min(outcomes, key=list(Outcome).index)


def _closed_too_long(session: Session, case: Case) -> bool:
    closed_for = casework.facts_of(session, case).closed_for
    return closed_for is not None and closed_for > RESIDENT_REOPENS_WITHIN


def _cases(session: Session, report_id: int) -> list[Case]:
    """The report's cases, newly read and held until the end of the transaction."""
    return list(
        session.scalars(
            sa.select(Case)
            .join(CaseReport, CaseReport.case_id == Case.id)
            .where(CaseReport.report_id == report_id)
            .order_by(Case.id)
            .with_for_update(of=Case)
            .execution_options(populate_existing=True)
        )
    )


def _resident_events(
    table: type[CaseEvent] | type[ReportEvent], subject: sa.ColumnElement[bool]
) -> sa.Select[int]:
    """What residents said of it today, the town's today."""
    zone = ZoneInfo(settings.load().zone)
    today = utc_now().astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    actions = (casework.REMINDER, "reopen", "appeal")
    return (
        sa.select(table.id)
        .where(subject, table.actor_id.is_(None), table.action.in_(actions), table.at >= today)
        .limit(1)
    )


def _follows(report_id: int) -> sa.Select[int]:
    return sa.select(ReportEvent.id).where(
        ReportEvent.report_id == report_id, ReportEvent.action == FOLLOWS
    )
