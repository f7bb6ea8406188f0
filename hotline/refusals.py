"""A refusal is told to whoever reported, by telephone: why, and who can help. Once each.

Whoever phones has it in the note of the call-back task, and it stays there when the task is done:
so it is known what was told.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import references, review
from cases.lifecycle import ReportState
from cases.models import Report, ReportEvent
from core.clock import utc_now
from core.outbox import Handler
from hotline import callbacks
from hotline.callbacks import Debt
from hotline.models import CallBack, CallRecord

REASON = "refused"
"""Of callback_rules.GRAVITY."""
BY_TELEPHONE = frozenset({"phone", "mailbox", "webhook"})
"""Channels of those who are phoned unasked; the others read it on the page, or ask."""
SPOKEN_WITH = ("helped", "reported", "not_needed")
NOTE_CHARS = 500


class Telling(StrEnum):
    """How the telling of a refusal stands."""

    NO_CONTENT = "no_content"  # nothing was heard in it, so there is nothing to tell
    OWED = "owed"
    TOLD = "told"
    NO_NUMBER = "no_number"


@dataclass(frozen=True)
class Caller:
    """A telephone number as it is stored; both None when it was withheld."""

    sealed: str | None
    hash: str | None


def handlers(zone: str) -> list[tuple[str, Handler]]:
    """What refusals want to hear of: (kind of news, handler)."""

    def refused(session: Session, news: dict[str, Any]) -> None:
        report = session.get(Report, news["report_id"])
        if report is not None and report.channel in BY_TELEPHONE:
            owe(session, report, zone)

    return [(review.REFUSED, refused)]


def owe(
    session: Session, report: Report, zone: str, asking: Caller | None = None
) -> Telling | None:
    """See to it that a refusal is told, and say how that stands; None: it is no refusal (now).

    ``asking``: who phones about it at this moment, and is phoned back there.
    """
    session.refresh(report, with_for_update=True)  # who decides or asks at this moment waits
    if report.state != ReportState.REJECTED:
        return None
    if report.reject_reason == review.NO_CONTENT:
        return Telling.NO_CONTENT
    told = _note(report)
    known = _task(session, report, told)
    if known is not None:
        return Telling.OWED if known.state == "open" else Telling.TOLD
    debt = _debt(report, told, asking)
    if debt.caller_hash is None:
        return Telling.NO_NUMBER
    task = callbacks.owe(session, debt, zone, new_call=asking is not None)
    assert task is not None
    session.execute(
        sa.update(CallRecord)
        .where(CallRecord.report_id == report.id, CallRecord.call_back_id.is_(None))
        .values(call_back_id=task.id)
    )
    return Telling.OWED


def _debt(report: Report, told: str, asking: Caller | None) -> Debt:
    caller = Caller(report.caller_sealed, report.caller_hash)
    called_at = report.received_at
    if asking is not None:
        called_at = utc_now()
        caller = asking if asking.hash is not None else caller
    return Debt(
        reason=REASON,
        called_at=called_at,
        caller_sealed=caller.sealed,
        caller_hash=caller.hash,
        village_code=report.village_code,
        report_id=report.id,
        owed_at=utc_now(),
        note=told,
    )


def _note(report: Report) -> str:
    number, reason = references.spoken(report.reference_no), report.reject_reason
    return f"诉求 {number} 不予受理：{reason}。可以找：{report.reject_route}"[:NOTE_CHARS]


def _task(session: Session, report: Report, told: str) -> CallBack | None:
    """The task that tells, or has told, this very refusal: an open one first."""
    done = sa.and_(
        CallBack.outcome.in_(SPOKEN_WITH), CallBack.done_at >= _refused_at(session, report)
    )
    return session.scalar(
        sa.select(CallBack)
        .where(
            sa.or_(CallBack.state == "open", done), CallBack.note.contains(told, autoescape=True)
        )
        .order_by(CallBack.state.desc())
        .limit(1)
    )


def _refused_at(session: Session, report: Report) -> datetime:
    """When it was refused last: what was told before an appeal is no answer to it."""
    newest = session.scalar(
        sa.select(sa.func.max(ReportEvent.at)).where(
            ReportEvent.report_id == report.id, ReportEvent.action == "reject"
        )
    )
    return newest or report.received_at
