"""What a caller may learn with a reference number and a PIN (or the own telephone number).

Unknown number and wrong PIN look the same and take the same road. Guessing locks out, per
reference (known or not) and per place the tries come from, each lock twice as long as the last.
A caller id can be faked: it opens the status only when the PIN is not asked for by the channel,
and counts against the same limits.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import references
from cases.models import Case, CaseReport, Report, StatusGuess
from core.clock import utc_now
from core.database import claimed
from core.sealed import Sealer

TRIES_PER_REFERENCE = 5
TRIES_PER_SOURCE = 20
FIRST_LOCK = timedelta(minutes=30)
LONGEST_LOCK = timedelta(hours=24)
FORGIVE_AFTER = timedelta(days=1)


@dataclass(frozen=True)
class CaseStep:
    """How far a case is: its number, status and cycle (2 and more: reopened)."""

    case_no: str
    status: str
    cycle_no: int


@dataclass(frozen=True)
class Answer:
    """``found`` False: no such pair of number and PIN. ``locked_until``: too many tries."""

    found: bool
    locked_until: datetime | None = None
    reference_no: str = ""
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
    source: str,
) -> Answer:
    """The status, when the PIN (or the caller's number) fits. Needs a committing session.

    ``source``: where the try comes from (an address, a caller's number); stored as a keyed hash.
    """
    number = references.normalise(reference_no)
    keys = {
        f"ref:{sealer.keyed_hash('guess', number)[:40]}": TRIES_PER_REFERENCE,
        f"from:{sealer.keyed_hash('guess', source)[:40]}": TRIES_PER_SOURCE,
    }
    now = utc_now()
    locked = [until for key, limit in keys.items() if (until := _take_try(session, key, limit))]
    if locked:
        return Answer(False, locked_until=max(locked))
    report = session.scalar(sa.select(Report).where(Report.reference_no == number))
    if not _fits(sealer, report, number, pin, caller_number) or report is None:
        return Answer(False)
    for key in keys:
        session.execute(
            sa.update(StatusGuess)
            .where(StatusGuess.key == key)
            .values(tries=StatusGuess.tries - 1 if key.startswith("from:") else 0, last_at=now)
        )
    return _answer(session, report)


def _fits(
    sealer: Sealer,
    report: Report | None,
    number: str,
    pin: str | None,
    caller_number: str | None,
) -> bool:
    pin_hash = sealer.keyed_hash("pin", number, (pin or "").strip())
    caller_hash = sealer.keyed_hash("caller", (caller_number or "").strip())
    known_pin = (report.pin_hash if report else None) or "-"
    known_caller = (report.caller_hash if report else None) or "-"
    by_pin = hmac.compare_digest(pin_hash, known_pin) and bool(pin)
    by_caller = hmac.compare_digest(caller_hash, known_caller) and bool(caller_number)
    return by_pin or by_caller


def _take_try(session: Session, key: str, limit: int) -> datetime | None:
    """Count one try; the end of the lock when there is none left. Counted before it is checked,
    so that parallel guesses cannot share a try."""
    now = utc_now()
    guess = _counter(session, key, now)
    counted = session.execute(
        sa.update(StatusGuess)
        .where(
            StatusGuess.key == key,
            StatusGuess.tries < limit,
            sa.or_(StatusGuess.locked_until.is_(None), StatusGuess.locked_until <= now),
        )
        .values(tries=StatusGuess.tries + 1, last_at=now, locked_until=None)
        .execution_options(synchronize_session=False)
    )
    if claimed(counted):
        return None
    session.refresh(guess)
    if guess.locked_until is not None and guess.locked_until > now:
        return guess.locked_until
    length = min(FIRST_LOCK * 2**guess.locks, LONGEST_LOCK)
    guess.locked_until, guess.tries, guess.locks = now + length, 0, min(guess.locks + 1, 10)
    session.flush()
    return guess.locked_until


def _counter(session: Session, key: str, now: datetime) -> StatusGuess:
    guess = session.get(StatusGuess, key)
    if guess is None:
        try:
            with session.begin_nested():
                session.add(StatusGuess(key=key, tries=0, locks=0, last_at=now))
        except sa.exc.IntegrityError:
            pass  # another try made the row this moment
        return session.get_one(StatusGuess, key)
    lock_over = guess.locked_until is None or guess.locked_until <= now
    if lock_over and now - guess.last_at > FORGIVE_AFTER:
        guess.tries, guess.locks, guess.locked_until = 0, 0, None
        session.flush()
    return guess


def _answer(session: Session, report: Report) -> Answer:
    cases = session.scalars(
        sa.select(Case)
        .join(CaseReport, CaseReport.case_id == Case.id)
        .where(CaseReport.report_id == report.id)
        .order_by(Case.id)
    )
    steps = tuple(CaseStep(case.case_no, case.status, case.cycle_no) for case in cases)
    return Answer(
        True,
        None,
        report.reference_no,
        report.state,
        report.received_at,
        report.reject_reason,
        report.reject_route,
        steps,
    )
