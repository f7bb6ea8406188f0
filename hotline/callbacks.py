"""回电任务: who was not heard, or was promised a call, is on the list until somebody has phoned.

A number has one open task (``CallBack.open_key``): calls join it, whoever enters them, and it
keeps the gravest reason and the earliest time. What people do with tasks: hotline.callback_work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases.models import Report
from core import outbox
from core.clock import utc_now
from hotline import callback_rules as rules
from hotline.models import CallBack, CallRecord, OutgoingCall
from hotline.outgoing.contract import CONTACT_AT_LEAST_MS, SOONEST_RING_S

NEWS = "callback.changed"
CALL_ENTERED = "call.entered"
OUTGOING_ENDED = "outgoing.ended"
HELPED_ON_DUTY = ("joined", "taken")
NOTE_CHARS = 1000
JOIN_TRIES = 5
"""How often somebody may open or close a number's task while we look at it."""


@dataclass(frozen=True, kw_only=True)
class Debt:
    """One call that has to be answered by a call. ``reason``: one of callback_rules.GRAVITY.

    ``owed_at``: when it came to be owed, None: with the call. ``note``: what is to be told.
    """

    reason: str
    called_at: datetime
    caller_sealed: str | None = None
    caller_hash: str | None = None
    village_code: str | None = None
    report_id: int | None = None
    confidential: bool = False
    owed_at: datetime | None = None
    note: str = ""

    def due_at(self, zone: str) -> datetime:
        return rules.due_at(self.reason, self.owed_at or self.called_at, zone)


def debt_of(record: CallRecord, reason: str, *, confidential: bool) -> Debt:
    """What is owed for a call that is entered, or about to be."""
    return Debt(
        reason=reason,
        called_at=record.ended_at or record.started_at,
        caller_sealed=record.caller_sealed,
        caller_hash=record.caller_hash,
        village_code=record.village_code,
        report_id=record.report_id,
        confidential=confidential,
    )


def owe(session: Session, debt: Debt, zone: str, *, new_call: bool = True) -> CallBack | None:
    """Open a task for ``debt``, or join the number's open one.

    None: the number was withheld and no report tells more, so nobody can phone. ``new_call`` is
    False when the call was counted before and only its reason became graver. A task is as
    confidential as the report it is about.
    """
    if debt.caller_hash is None and debt.report_id is None:
        return None
    if _is_secret(session, debt.report_id):
        debt = replace(debt, confidential=True)
    for tries_left in reversed(range(JOIN_TRIES)):
        found = _open_task(session, debt.caller_hash)
        if found is not None:
            _join(found, debt, zone, new_call=new_call)
            break
        found = _new_task(debt, zone)
        try:
            with session.begin_nested():
                session.add(found)
            break
        except sa.exc.IntegrityError:  # somebody opened one for the number at this moment
            if not tries_left:
                raise
    session.flush()
    outbox.emit(session, NEWS)
    return found


def _is_secret(session: Session, report_id: int | None) -> bool:
    report = session.get(Report, report_id) if report_id is not None else None
    return report is not None and report.confidential


def _open_task(session: Session, caller_hash: str | None) -> CallBack | None:
    """The number's open task, locked until this transaction ends."""
    if caller_hash is None:
        return None
    return session.scalar(
        sa.select(CallBack)
        .where(CallBack.open_key == caller_hash)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def _new_task(debt: Debt, zone: str) -> CallBack:
    return CallBack(
        open_key=debt.caller_hash,
        caller_sealed=debt.caller_sealed,
        caller_hash=debt.caller_hash,
        village_code=debt.village_code,
        report_id=debt.report_id,
        confidential=debt.confidential,
        reason=debt.reason,
        created_at=utc_now(),
        last_call_at=debt.called_at,
        due_at=debt.due_at(zone),
        note=debt.note or None,
    )


def _join(task: CallBack, debt: Debt, zone: str, *, new_call: bool) -> None:
    task.calls += 1 if new_call else 0
    task.reason = rules.gravest(task.reason, debt.reason)
    task.last_call_at = max(task.last_call_at, debt.called_at)
    task.due_at = min(task.due_at, debt.due_at(zone))
    task.village_code = task.village_code or debt.village_code
    task.report_id = debt.report_id or task.report_id
    task.confidential = task.confidential or debt.confidential
    if debt.note not in (task.note or ""):
        task.note = with_note(task.note, debt.note)
    task.version += 1


def with_note(known: str | None, more: str) -> str | None:
    """What a task notes already, and ``more`` below it."""
    return "\n".join(part for part in (known, more) if part) or None


def called_again(session: Session, caller_hash: str | None, report_id: int) -> None:
    """The number left a whole report: a task for which nothing was promised is over."""
    task = _open_task(session, caller_hash)
    if task is None or task.reason not in rules.CLOSED_BY_A_REPORT:
        return
    task.report_id = report_id
    task.confidential = task.confidential or _is_secret(session, report_id)
    close(session, task, "called_again")


def close(session: Session, task: CallBack, outcome: str) -> None:
    """End an open task that this transaction has locked."""
    task.state, task.open_key = "done", None
    task.outcome, task.done_at = outcome, utc_now()
    task.version += 1
    session.flush()
    outbox.emit(session, NEWS)


def duty_did_not_help(session: Session, call_id: str, zone: str) -> None:
    """A cheated caller whom no duty officer took is to be phoned at once; asked when either the
    call or the ringing of the duty phones is entered, whichever comes later."""
    record = session.get(CallRecord, call_id)
    if record is None or not _rang_in_vain(session, call_id):
        return
    task = session.get(CallBack, record.call_back_id) if record.call_back_id else None
    if task is not None and task.reason == "fraud":
        return
    debt = debt_of(record, "fraud", confidential=task is not None and task.confidential)
    owed = owe(session, debt, zone, new_call=task is None or task.state != "open")
    record.needs_call_back = True
    record.call_back_id = owed.id if owed is not None else record.call_back_id


def _rang_in_vain(session: Session, call_id: str) -> bool:
    results = session.scalars(
        sa.select(OutgoingCall.result).where(
            OutgoingCall.call_id == call_id,
            OutgoingCall.kind == "duty",
            OutgoingCall.state == "done",
        )
    ).all()
    return bool(results) and not any(result in HELPED_ON_DUTY for result in results)


def bridge_ended(session: Session, ended: OutgoingCall, zone: str) -> None:
    """Note the try that the hotline made itself, when it really was one at the resident."""
    result = _result_of_try(ended)
    task = session.get(CallBack, ended.call_back_id, with_for_update=True)
    if task is None or task.state != "open" or result is None:
        return
    note_try(task, ended.requested_by_id, result, "", zone)
    task.version += 1
    session.flush()
    outbox.emit(session, NEWS)


def _result_of_try(ended: OutgoingCall) -> str | None:
    """None for a broken line and for who hung up too soon: neither puts the next try off.

    A talk too short to be sure of is for whoever had it to note.
    """
    if ended.result == "joined":
        return "reached" if ended.talked_ms >= CONTACT_AT_LEAST_MS else None
    tries = [one for one in ended.attempts or [] if one.get("who") == "resident"]
    return "not_reached" if any(map(_was_in_vain, tries)) else None


def _was_in_vain(attempt: dict[str, Any]) -> bool:
    """Whether the resident's phone rang and it came to nothing, as ``outgoing.contract`` tells."""
    cause = attempt.get("cause")
    if cause in ("busy", "refused"):
        rang_at, ended_at = attempt.get("rang_at"), attempt.get("ended_at")
        if rang_at is None or ended_at is None:
            return False
        took = datetime.fromisoformat(ended_at) - datetime.fromisoformat(rang_at)
        return took.total_seconds() >= SOONEST_RING_S
    return cause in ("no_answer", "declined", "machine")


def tried_at(task: CallBack) -> list[datetime]:
    """When somebody tried in vain, in order."""
    tries: list[dict[str, Any]] = task.tried or []
    return [datetime.fromisoformat(one["at"]) for one in tries if one["result"] == "not_reached"]


def note_try(task: CallBack, by_id: int | None, result: str, note: str, zone: str) -> None:
    """Write a try ("reached", "not_reached") into the row; one in vain sets when the next is."""
    now = utc_now()
    one = {"at": now.isoformat(), "by": by_id, "result": result, "note": note.strip()[:NOTE_CHARS]}
    task.tried = [*(task.tried or []), one]
    task.tries, task.last_tried_at = len(task.tried), now
    if result == "not_reached":
        task.due_at = rules.next_try_at(task.reason, tried_at(task), zone)


def handlers(zone: str) -> list[tuple[str, Callable[[Session, dict[str, Any]], None]]]:
    """What the call-backs want to hear of: (kind of news, handler)."""

    def call_entered(session: Session, news: dict[str, Any]) -> None:
        duty_did_not_help(session, news["call_id"], zone)

    def outgoing_ended(session: Session, news: dict[str, Any]) -> None:
        ended = session.get(OutgoingCall, news["order_id"])
        if ended is not None and ended.kind == "duty" and ended.call_id is not None:
            duty_did_not_help(session, ended.call_id, zone)
        if ended is not None and ended.call_back_id is not None:
            bridge_ended(session, ended, zone)

    return [(CALL_ENTERED, call_entered), (OUTGOING_ENDED, outgoing_ended)]
