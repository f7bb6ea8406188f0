"""A voice that broke off came in as a report; then a report came that holds all of it and more.

Both stay, since somebody may have worked on the first. The second is tied to it and follows its
cases; a first that nobody has opened leaves the list of what waits, and one click brings it back.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import ledger
from cases.lifecycle import ReportState
from cases.models import CaseReport, Report, ReportEvent
from core.clock import utc_now
from transcribe import jobs

MORE_OF = "more_of"
"""Action of the event in the longer report; its reason is the number of the one that broke off."""
CAME_AGAIN = "came_again"
"""Action of the event in the report that broke off; its reason is the longer one's number."""


def tie(session: Session, longer: Report, broken_id: int) -> None:
    """Tie ``longer`` to the report it begins with; both become as confidential as the stricter."""
    broken = session.scalar(
        sa.select(Report)
        .where(Report.id == broken_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    assert broken is not None
    longer.confidential = broken.confidential = longer.confidential or broken.confidential
    followed = sa.select(CaseReport.case_id).where(CaseReport.report_id == broken.id)
    for case_id in session.scalars(followed).all():
        if session.get(CaseReport, (case_id, longer.id)) is None:
            session.add(CaseReport(case_id=case_id, report_id=longer.id))
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


def _is_needed(session: Session, broken: Report) -> bool:
    """Whether danger was found in it, or may yet be: its words are there before the longer ones."""
    job = jobs.latest(session, "report", broken.id)
    is_awaited = job is not None and job.state in ("queued", "running")
    return broken.urgent or broken.proposed_urgent or is_awaited
