"""Outcomes into the database, each exactly once, however often its file is read."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import contacts
from core import outbox
from core.database import claimed
from hotline.callbacks import OUTGOING_ENDED
from hotline.models import OutgoingCall
from hotline.outgoing.contract import CONTACT_AT_LEAST_MS, Outcome, Result
from hotline.outgoing.orders import NEWS, RUNNING


def show_progress(session: Session, outcome: Outcome) -> bool:
    """Let the page see how far a running bridge is; whether anything changed."""
    row = session.get(OutgoingCall, outcome.order_id)
    attempts = [asdict(one) for one in outcome.attempts]
    if row is None or row.state not in RUNNING:
        return False
    if row.attempts == attempts and row.joined_at == _instant(outcome.joined_at):
        return False
    row.state, row.attempts, row.joined_at = "sent", attempts, _instant(outcome.joined_at)
    outbox.emit(session, NEWS, order_id=row.id)
    return True


def enter(session: Session, outcome: Outcome) -> bool:
    """Write a finished outcome; False when it was written before."""
    begun_at = datetime.fromisoformat(outcome.begun_at)
    if session.get(OutgoingCall, outcome.order_id) is None:
        session.add(
            OutgoingCall(
                id=outcome.order_id,
                kind=outcome.kind,
                state="sent",
                call_id=outcome.call_id,
                requested_at=begun_at,
                expires_at=begun_at,
            )
        )
        session.flush()
    assert outcome.result is not None
    entered = finish(
        session,
        outcome.order_id,
        outcome.result,
        attempts=[asdict(one) for one in outcome.attempts],
        joined_at=_instant(outcome.joined_at),
        ended_at=_instant(outcome.ended_at),
        talked_ms=outcome.talked_ms,
    )
    if entered:
        _note_contact(session, session.get_one(OutgoingCall, outcome.order_id))
    return entered


def finish(session: Session, order_id: str, result: Result, **more: object) -> bool:
    """End an order and tell so; False when it is over already."""
    done = session.execute(
        sa.update(OutgoingCall)
        .where(OutgoingCall.id == order_id, OutgoingCall.state != "done")
        .values(state="done", result=result, **more)
        .execution_options(synchronize_session=False)
    )
    if not claimed(done):
        return False
    session.expire_all()
    outbox.emit(session, NEWS, order_id=order_id)
    outbox.emit(session, OUTGOING_ENDED, order_id=order_id)
    return True


def _note_contact(session: Session, row: OutgoingCall) -> None:
    if row.case_id is None or row.joined_at is None or row.talked_ms < CONTACT_AT_LEAST_MS:
        return
    contacts.note_contact(session, row.case_id, row.requested_by_id, row.joined_at, row.talked_ms)


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text is not None else None
