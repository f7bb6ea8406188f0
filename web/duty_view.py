"""Why a report is urgent, and what became of ringing the duty phones for it, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases.models import Report
from core.errors import N_
from hotline.models import CallRecord, DutyPhone, OutgoingCall
from hotline.outgoing.contract import NOT_THROUGH

BECAUSE = {
    "fraud": N_("Just cheated of money (key 5)"),
    "staff": N_("Whoever took it down said so"),
    "api": N_("The program that sent it said so"),
    "webhook": N_("The system that sent it said so"),
}
RESULTS = {
    "taken": N_("took it over"),
    "joined": N_("spoke with the caller"),
    "no_trunk": N_("Not rung: the hotline has no line out"),
    "limit": N_("Not rung: the hourly limit was reached"),
    "killed": N_("The ringing was broken off"),
}
NOBODY = N_("Nobody took it")
NO_PHONE = N_("Not rung: the list of duty phones (page Hotline) held none that can be called")
NO_FREE_LINE = N_(
    "Not rung: the line, or whoever was called, was busy all the time. Phone the duty room "
    "yourself, and ask the IT office about a second line"
)
NO_LINE = N_(
    "Not rung: no call got through. Phone the duty room yourself, and ask the IT office to look at "
    "the telephone line"
)
HELPED = ("taken", "joined")
LINES_IN_USE = {"busy", "limit"}


@dataclass(frozen=True)
class Rung:
    """One ringing of the duty phones. ``who``: the name of the phone that took it, or empty."""

    good: bool
    words: str
    who: str
    at: datetime


def because(report: Report) -> str:
    """Why it is urgent, as a sentence to translate; empty when it is not."""
    reason = report.urgent_reason or ""
    return BECAUSE.get(reason, reason)


def rung_for(session: Session, report: Report) -> list[Rung]:
    """What became of ringing the duty phones for the call of this report."""
    rows = session.scalars(
        sa.select(OutgoingCall)
        .join(CallRecord, CallRecord.call_id == OutgoingCall.call_id)
        .where(
            CallRecord.report_id == report.id,
            OutgoingCall.kind == "duty",
            OutgoingCall.state == "done",
        )
        .order_by(OutgoingCall.requested_at)
    )
    return [_rung(session, row) for row in rows]


def _rung(session: Session, row: OutgoingCall) -> Rung:
    good = row.result in HELPED
    words = RESULTS.get(row.result or "") or _in_vain(row)
    who = _who(session, row) if good else ""
    return Rung(good, words, who, row.ended_at or row.requested_at)


def _in_vain(row: OutgoingCall) -> str:
    """Why nobody took it: nobody wanted to, or no telephone could be made to ring."""
    causes = {str(attempt["cause"]) for attempt in row.attempts or []}
    if not causes:
        return NO_PHONE
    if not causes <= NOT_THROUGH:
        return NOBODY
    return NO_FREE_LINE if causes <= LINES_IN_USE else NO_LINE


def _who(session: Session, row: OutgoingCall) -> str:
    """The name of the duty phone that was answered last."""
    for attempt in reversed(row.attempts or []):
        kind, _, number = str(attempt["who"]).partition(":")
        if kind == "duty" and attempt["cause"] == "answered" and number.isdecimal():
            phone = session.get(DutyPhone, int(number))
            return phone.name if phone is not None else ""
    return ""
