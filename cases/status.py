"""What a caller may learn with a reference number and a PIN (or the own telephone number).

Unknown number and wrong PIN look the same and take the same road. Guessing locks out, per
reference (known or not) and per place the tries come from; cases.guessing reckons how far one gets.
A caller id can be faked: it opens the status only when the PIN is not asked for by the channel,
and counts against the same limits.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import casework, guessing, references, replies, residents
from cases.models import Case, CaseReport, Report
from core.sealed import Sealer

TRIES_PER_REFERENCE = 5


@dataclass(frozen=True)
class CaseStep:
    """How far a case is: its number, status and cycle (2 and more: reopened).

    ``due_at``: until when it is to be solved, None when it is. ``reply``: the newest word of
    whoever handles it, as the id of a CaseReply. ``hold_reason``: why it rests, for the PIN alone.
    """

    case_no: str
    status: str
    cycle_no: int
    due_at: datetime | None = None
    reply: int | None = None
    hold_reason: str | None = None


@dataclass(frozen=True)
class Answer:
    """``found`` False: no such pair of number and PIN. ``locked_until``: too many tries.

    ``may_object``: saying "not satisfied" leads somewhere. Replies in confidential cases are
    there for the PIN alone: a caller id can be faked.
    """

    found: bool
    locked_until: datetime | None = None
    reference_no: str = ""
    report_id: int | None = None
    may_object: bool = False
    state: str = ""
    received_at: datetime | None = None
    reject_reason: str | None = None
    reject_route: str | None = None
    cases: tuple[CaseStep, ...] = ()


def look_up(
    session: Session,
    sealer: Sealer,
    reference_no: str,
    *,
    pin: str | None = None,
    caller_number: str | None = None,
    source: str | None,
    counted: bool = False,
) -> Answer:
    """The status, when the PIN (or the caller's number) fits. Needs a committing session.

    ``source``: where the try comes from (an address, a caller's number), None when that is
    withheld; stored as a keyed hash.
    ``counted``: this try was counted when the caller's number alone was tried a moment ago.
    """
    number = references.normalise(reference_no)
    aim = f"ref:{sealer.keyed_hash('guess', number)[:40]}"
    place = f"from:{sealer.keyed_hash('guess', source)[:40]}" if source is not None else None
    locked = [] if counted else _locks(session, aim, place)
    if locked:
        return Answer(False, locked_until=max(locked))
    report = session.scalar(sa.select(Report).where(Report.reference_no == number))
    by_pin, by_caller = _fits(sealer, report, number, pin, caller_number)
    if not (by_pin or by_caller) or report is None:
        return Answer(False)
    guessing.forget(session, aim)
    if place is not None:
        guessing.give_back_to_place(session, place)
    return _answer(session, report, by_pin)


def _locks(session: Session, aim: str, place: str | None) -> list[datetime]:
    """Count one try at the number and one of the place; the ends of the locks that were met."""
    met = [guessing.take_try(session, aim, TRIES_PER_REFERENCE)]
    if place is not None:
        met.append(guessing.take_from_place(session, place))
    return [until for until in met if until is not None]


def _fits(
    sealer: Sealer,
    report: Report | None,
    number: str,
    pin: str | None,
    caller_number: str | None,
) -> tuple[bool, bool]:
    """(the PIN fits, the caller's number fits)."""
    pin_hash = sealer.keyed_hash("pin", number, (pin or "").strip())
    caller_hash = sealer.caller_hash(caller_number or "")
    known_pin = (report.pin_hash if report else None) or "-"
    known_caller = (report.caller_hash if report else None) or "-"
    by_pin = hmac.compare_digest(pin_hash, known_pin) and bool(pin)
    by_caller = hmac.compare_digest(caller_hash, known_caller) and bool(caller_number)
    secret = report is not None and report.confidential  # a number can be forged
    return by_pin, by_caller and not secret


def _answer(session: Session, report: Report, by_pin: bool) -> Answer:
    cases = session.scalars(
        sa.select(Case)
        .join(CaseReport, CaseReport.case_id == Case.id)
        .where(CaseReport.report_id == report.id)
        .order_by(Case.id)
    )
    steps = tuple(_step(session, case, by_pin) for case in cases)
    return Answer(
        True,
        None,
        report.reference_no,
        report.id,
        residents.may_say_so(session, report),
        report.state,
        report.received_at,
        report.reject_reason,
        report.reject_route,
        steps,
    )


def _step(session: Session, case: Case, by_pin: bool) -> CaseStep:
    reply = replies.newest(session, case.id) if by_pin or not case.confidential else None
    return CaseStep(
        case.case_no,
        case.status,
        case.cycle_no,
        casework.due_at(session, case),
        reply.id if reply else None,
        casework.hold_reason(session, case) if by_pin else None,
    )
