"""A voice that broke off came in as a report; then a report came that holds all of it and more.

Both stay, since somebody may have worked on the first. The second is tied to it and follows its
cases; a first that nobody has opened leaves the list of what waits, and one click brings it back.
Where one of them is confidential, so is the other, and the cases that are about nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import answering, ledger, residents
from cases.lifecycle import ReportState
from cases.models import Case, CaseReport, Report, ReportEvent
from core.clock import utc_now
from transcribe import jobs

MORE_OF = "more_of"
"""Action of the event in the longer report; its reason is the number of the one that broke off."""
CAME_AGAIN = "came_again"
"""Action of the event in the report that broke off; its reason is the longer one's number."""
KEPT_APART = "kept_apart"
"""Action of the event in a confidential report that does not follow a case which others share;
its reason is the case's number. The county decides what becomes of it."""


def tie(session: Session, longer: Report, broken_id: int) -> None:
    """Tie ``longer`` to the report it begins with; both become as confidential as the stricter."""
    broken = session.scalar(
        sa.select(Report)
        .where(Report.id == broken_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    assert broken is not None
    together = {longer.id, broken.id}
    if longer.confidential or broken.confidential:
        together |= _make_confidential(session, longer, broken)
    _follow(session, longer, broken, together)
    before = broken.state
    if before == ReportState.RECEIVED and not _is_needed(session, broken):
        broken.state, broken.version = ReportState.DUPLICATE.value, broken.version + 1
        broken.changed_at = utc_now()
    ledger.note(session, None, longer, MORE_OF, longer.state, broken.reference_no)
    ledger.note(session, None, broken, CAME_AGAIN, before, longer.reference_no)
    for report in (longer, broken):
        ledger.tell(session, report)


def ties(session: Session, report_id: int) -> list[ReportEvent]:
    """The events that tie a report to others, oldest first."""
    query = sa.select(ReportEvent).where(
        ReportEvent.report_id == report_id, ReportEvent.action.in_((MORE_OF, CAME_AGAIN))
    )
    return list(session.scalars(query.order_by(ReportEvent.id)))


def _make_confidential(session: Session, longer: Report, broken: Report) -> set[int]:
    """Ids of all that this person said of the matter; from now on it is all confidential.

    Who has one of them open may no longer decide about it: its version goes on.
    """
    said = _said_by_the_same(session, longer, broken)
    for report in said:
        if not report.confidential:
            report.confidential, report.version = True, report.version + 1
            ledger.tell(session, report)
    session.flush()
    return {report.id for report in said}


def _said_by_the_same(session: Session, longer: Report, broken: Report) -> Sequence[Report]:
    """Both, the other recordings that broke off, and later words about any of them."""
    tied = {event.reason for event in ties(session, broken.id)}
    numbers = {longer.reference_no, broken.reference_no} | tied
    later = sa.select(ReportEvent.report_id).where(
        ReportEvent.action == residents.FOLLOWS, ReportEvent.reason.in_(numbers)
    )
    query = sa.select(Report).where(sa.or_(Report.reference_no.in_(numbers), Report.id.in_(later)))
    return session.scalars(query.order_by(Report.id)).all()


def _follow(session: Session, longer: Report, broken: Report, together: Collection[int]) -> None:
    cases = session.scalars(
        sa.select(Case)
        .join(CaseReport, CaseReport.case_id == Case.id)
        .where(CaseReport.report_id == broken.id)
        .order_by(Case.id)
        .with_for_update(of=Case)
        .execution_options(populate_existing=True)
    ).all()
    for case in cases:
        if longer.confidential and not case.confidential:
            if _is_shared(session, case, together):
                ledger.note(session, None, longer, KEPT_APART, longer.state, case.case_no)
                continue
            answering.make_confidential(session, case)
        if session.get(CaseReport, (case.id, longer.id)) is None:
            session.add(CaseReport(case_id=case.id, report_id=longer.id))


def _is_shared(session: Session, case: Case, together: Collection[int]) -> bool:
    """Whether the case is about somebody else's report as well."""
    others = sa.select(CaseReport.report_id).where(
        CaseReport.case_id == case.id, CaseReport.report_id.not_in(together)
    )
    return session.scalar(others.limit(1)) is not None


def _is_needed(session: Session, broken: Report) -> bool:
    """Whether danger was found in it, or may yet be: its words are there before the longer ones."""
    job = jobs.latest(session, "report", broken.id)
    is_awaited = job is not None and job.state in ("queued", "running")
    return broken.urgent or broken.proposed_urgent or is_awaited
