"""When a report's matter is over, and so when its sound and its words go; nothing is deleted here.

The clock of a report runs from when its last case was closed, or from its own decision when it has
no case. It does not run while anything is undecided: the report, one of its cases, or another voice
that follows one of these. A hold on one of the cases stops everything.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from cases.lifecycle import Action, CaseStatus, ReportState
from cases.models import Case, CaseEvent, CaseHold, CaseReport, Report, ReportEvent, ReportPhoto
from core.settings import Settings
from transcribe.models import RedactedSound, TranscriptionJob

UNDECIDED = (ReportState.RECEIVED.value, ReportState.UNDER_REVIEW.value)
SUBJECT = "report"


@dataclass(frozen=True)
class Periods:
    """How long what is kept once a matter is over."""

    audio: timedelta
    words: timedelta

    @classmethod
    def from_settings(cls, settings: Settings) -> Periods:
        return cls(
            timedelta(days=settings.keep_audio_days), timedelta(days=settings.keep_words_days)
        )


def over_since(session: Session, report: Report) -> datetime | None:
    """When the report's matter ended; None while it is not over, or while nobody can tell.

    The end is never before anything that was written down earlier: what happened while a clock
    stood years back does not count as years ago.
    """
    if report.state in UNDECIDED:
        return None
    cases = cases_of(session, report.id)
    if report.state == ReportState.ACCEPTED and not cases:
        return None
    decided_at = _decided_at(session, report)
    if decided_at is None or _follow_undecided(session, cases):
        return None
    ends = [case_over_since(session, case) for case in cases]
    known = [end for end in ends if end is not None]
    return max([report.received_at, decided_at, *known]) if len(known) == len(ends) else None


def case_over_since(session: Session, case: Case) -> datetime | None:
    """When a closed case was closed last; None for any other."""
    if case.status != CaseStatus.CLOSED:
        return None
    events = session.scalars(
        sa.select(CaseEvent).where(CaseEvent.case_id == case.id).order_by(CaseEvent.id)
    ).all()
    closings = [at for at, event in enumerate(events) if event.action == Action.CLOSE]
    return max(e.at for e in events[: closings[-1] + 1]) if closings else None


def is_held(session: Session, case_ids: Collection[int]) -> bool:
    """Whether somebody holds one of the cases."""
    held = sa.select(CaseHold.case_id).where(CaseHold.case_id.in_(case_ids)).limit(1)
    return session.scalar(held) is not None


def is_due(session: Session, report: Report, keep: timedelta, now: datetime) -> bool:
    """Whether the report's matter has been over for ``keep`` and nobody holds it."""
    end = over_since(session, report)
    if end is None or end + keep > now:
        return False
    return not is_held(session, [case.id for case in cases_of(session, report.id)])


def case_is_due(session: Session, case: Case, keep: timedelta, now: datetime) -> bool:
    """Whether a case, all of whose reports have lost their words, is to lose its own."""
    end = case_over_since(session, case)
    return end is not None and end + keep <= now and not is_held(session, [case.id])


def cases_of(session: Session, report_id: int, *, locked: bool = False) -> Sequence[Case]:
    """The cases of a report; ``locked``: until this transaction ends nobody changes them."""
    query = (
        sa.select(Case)
        .join(CaseReport, CaseReport.case_id == Case.id)
        .where(CaseReport.report_id == report_id)
        .order_by(Case.id)
        .execution_options(populate_existing=True)
    )
    return session.scalars(query.with_for_update(of=Case) if locked else query).all()


def locked(session: Session, report_id: int) -> Report | None:
    """The report, it and its cases unchanged by others until this transaction ends."""
    report = session.scalar(
        sa.select(Report)
        .where(Report.id == report_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    cases_of(session, report_id, locked=True)
    return report


def with_sound(before: datetime) -> sa.Select[int]:
    """Reports with sound or pictures whose matter may have ended by then; ``is_due`` tells."""
    return _perhaps(before).where(sa.or_(*has_sound()))


def has_sound() -> tuple[sa.ColumnElement[bool], ...]:
    """Conditions on Report, each of which says that something of its sound is here."""
    jobs, muted = TranscriptionJob, RedactedSound
    return (
        Report.audio_sha256.is_not(None),
        Report.id.in_(sa.select(ReportPhoto.report_id)),
        Report.id.in_(sa.select(jobs.subject_id).where(jobs.subject_kind == SUBJECT)),
        Report.id.in_(sa.select(muted.subject_id).where(muted.subject_kind == SUBJECT)),
    )


def with_words(before: datetime) -> sa.Select[int]:
    """Reports with words whose matter may have ended by ``before``; with sound they stay."""
    return _perhaps(before).where(Report.words_gone_at.is_(None))


def cases_with_words(before: datetime) -> sa.Select[int]:
    """Closed cases that still have words while no report of theirs has any."""
    speaks = (
        sa.select(Report.id)
        .join(CaseReport, CaseReport.report_id == Report.id)
        .where(CaseReport.case_id == Case.id)
    )
    return (
        sa.select(Case.id)
        .where(Case.status == CaseStatus.CLOSED.value, Case.created_at <= before)
        .where(Case.words_gone_at.is_(None), speaks.exists())
        .where(~speaks.where(Report.words_gone_at.is_(None)).exists())
        .order_by(Case.id)
    )


def _perhaps(before: datetime) -> sa.Select[int]:
    """What can be told quickly and for many; whoever deletes looks closely at each."""
    case = aliased(Case)
    linked = (
        sa.select(case.id)
        .join(CaseReport, CaseReport.case_id == case.id)
        .where(CaseReport.report_id == Report.id)
    )
    later = sa.select(CaseEvent.id).where(
        CaseEvent.case_id == case.id, CaseEvent.action == Action.CLOSE, CaseEvent.at > before
    )
    hold = sa.select(CaseHold.case_id).where(CaseHold.case_id == case.id)
    unfit = sa.or_(case.status != CaseStatus.CLOSED.value, later.exists(), hold.exists())
    return (
        sa.select(Report.id)
        .where(Report.state.not_in(UNDECIDED), Report.received_at <= before)
        .where(~linked.where(unfit).exists())
        .order_by(Report.id)
    )


def _decided_at(session: Session, report: Report) -> datetime | None:
    """When it came to the state it is in; None when nothing says so."""
    events = session.scalars(
        sa.select(ReportEvent).where(ReportEvent.report_id == report.id).order_by(ReportEvent.id)
    ).all()
    decisions = [
        at
        for at, event in enumerate(events)
        if event.after == report.state and event.before != event.after
    ]
    return max(event.at for event in events[: decisions[-1] + 1]) if decisions else None


def _follow_undecided(session: Session, cases: Sequence[Case]) -> bool:
    """Whether a voice that nobody has decided about follows one of the cases."""
    waiting = (
        sa.select(Report.id)
        .join(CaseReport, CaseReport.report_id == Report.id)
        .where(CaseReport.case_id.in_([case.id for case in cases]), Report.state.in_(UNDECIDED))
    )
    return session.scalar(waiting.limit(1)) is not None
