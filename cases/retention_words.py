"""The words of a report and of its case go; where and when it was and how it ended stays.

What each table keeps is said once, here: a test goes through all columns, so that a new one is
decided about.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import contacts, retention
from cases.casework import RAISED
from cases.models import Case, CaseEvent, CaseReply, Report, ReportEvent
from cases.retention import SUBJECT
from cases.retention_sound import ACTOR, BECAUSE, release
from cases.review import NO_CONTENT
from core import audit, leaving, outbox
from core.database import Database
from core.leaving import Uses
from transcribe import search
from transcribe.models import Transcript

PERSONAL = (
    "typed_text", "caller_sealed", "caller_hash", "pin_hash", "summary", "draft", "draft_by_id",
    "resident_name", "resident_phone_sealed", "point_code", "proposed_reason", "proposed_hits",
    "reject_reason", "reject_route",
)  # fmt: skip
"""Columns of a report that lead to a person or hold what was said."""
NO_WORDS = "—"
"""Stands where a case has to have a title."""
NO_PERSONAL_REASON = (contacts.CONTACTED, RAISED)
"""Events of a case whose reason is a length of time or a tier."""


def forget(database: Database, report_id: int, keep: timedelta, now: datetime) -> bool:
    """Take the words of a report that is due; False when it is not to lose any."""
    with database.write() as session:
        report = retention.locked(session, report_id)
        if report is None or report.words_gone_at is not None:
            return False
        if not retention.is_due(session, report, keep, now) or _has_sound(session, report):
            return False
        versions = _forget_transcripts(session, report.id)
        _anonymise(report)
        session.execute(
            sa.update(ReportEvent).where(ReportEvent.report_id == report.id).values(reason=None)
        )
        report.words_gone_at, report.gone_because = now, BECAUSE
        report.version += 1
        session.flush()
        audit.record(
            session, ACTOR, "retention.words", f"report:{report.id}",
            transcripts=versions, kept_days=keep.days,
        )  # fmt: skip
        outbox.emit(session, "report.changed", report_id=report.id)
    return True


def forget_case(
    database: Database, case_id: int, columns: Uses, keep: timedelta, now: datetime
) -> bool:
    """Take the words of a case whose reports have none left; its replies go, sound and text."""
    with database.read() as session:
        named = leaving.still_named(session, columns.loose, _files_of(session, case_id))
    with database.write() as session:
        case = session.get(Case, case_id, with_for_update=True)
        if case is None or case.words_gone_at is not None:
            return False
        if not retention.case_is_due(session, case, keep, now):
            return False
        if session.scalar(retention.cases_with_words(now).where(Case.id == case_id)) is None:
            return False
        files = _files_of(session, case.id)
        session.execute(sa.delete(CaseReply).where(CaseReply.case_id == case.id))
        release(session, files - named, columns)
        case.title, case.summary = NO_WORDS, NO_WORDS
        case.words_gone_at, case.version = now, case.version + 1
        session.execute(
            sa.update(CaseEvent)
            .where(CaseEvent.case_id == case.id, CaseEvent.action.not_in(NO_PERSONAL_REASON))
            .values(reason=None)
        )
        audit.record(
            session, ACTOR, "retention.case", f"case:{case.id}",
            replies=len(files), kept_days=keep.days,
        )  # fmt: skip
        outbox.emit(session, "case.changed", case_id=case.id)
    return True


def _has_sound(session: Session, report: Report) -> bool:
    some = sa.select(Report.id).where(Report.id == report.id, sa.or_(*retention.has_sound()))
    return session.scalar(some) is not None


def _forget_transcripts(session: Session, report_id: int) -> int:
    search.forget(session, SUBJECT, report_id)
    gone = session.execute(
        sa.delete(Transcript).where(
            Transcript.subject_kind == SUBJECT, Transcript.subject_id == report_id
        )
    )
    return getattr(gone, "rowcount", 0)


def _anonymise(report: Report) -> None:
    was_empty = report.reject_reason == NO_CONTENT
    for name in PERSONAL:
        setattr(report, name, None)
    if was_empty:
        report.reject_reason = NO_CONTENT


def _files_of(session: Session, case_id: int) -> set[str]:
    return set(session.scalars(sa.select(CaseReply.sha256).where(CaseReply.case_id == case_id)))
