"""What people do with call-back tasks: see them, note a try, end them."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import access
from core import audit, outbox
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, Conflict, InvalidInput, NotFound
from hotline import callback_rules as rules
from hotline import callbacks
from hotline.callbacks import NEWS, NOTE_CHARS
from hotline.models import CallBack, CallRecord

OUTCOMES = ("helped", "reported", "not_needed", "wrong_number", "unreachable")
"""How people end a task; ``called_again`` is the machine's."""


def may_work(actor: Actor) -> bool:
    """Whether the actor has anything to do with call-backs."""
    return actor.may("callback.work") or access.keeps_secrets(actor)


def tasks_seen(session: Session, actor: Actor) -> sa.Select[CallBack]:
    """Tasks the actor may see, as a query to narrow further; confidential ones for few."""
    if not may_work(actor):
        actor.require("callback.work")
    own = actor.reach(session)
    place: sa.ColumnElement[bool] = CallBack.village_code.in_(own)
    if access.in_area(session, actor, None):
        place = sa.or_(place, CallBack.village_code.is_(None))
    query = sa.select(CallBack).where(place)
    if not access.keeps_secrets(actor):
        query = query.where(sa.not_(CallBack.confidential))
    if not actor.may("callback.work"):
        query = query.where(CallBack.confidential)
    return query


def task(session: Session, actor: Actor, task_id: int) -> CallBack:
    """One of them, else NotFound."""
    found = session.scalar(tasks_seen(session, actor).where(CallBack.id == task_id))
    if found is None:
        raise NotFound(N_("There is no such call-back here."))
    return found


def calls_of(session: Session, found: CallBack) -> list[CallRecord]:
    """The calls a task answers, the newest first."""
    query = sa.select(CallRecord).where(CallRecord.call_back_id == found.id)
    return list(session.scalars(query.order_by(CallRecord.started_at.desc())))


def nobody_can_call(session: Session, actor: Actor, since: datetime) -> int:
    """How many callers since then withheld their number and said nothing."""
    own = actor.reach(session)
    query = sa.select(sa.func.count()).where(
        CallRecord.needs_call_back,
        CallRecord.call_back_id.is_(None),
        CallRecord.started_at >= since,
        sa.or_(CallRecord.village_code.in_(own), CallRecord.village_code.is_(None)),
    )
    return session.scalar(query) or 0


def note_try(
    session: Session, actor: Actor, task_id: int, version: int, note: str, zone: str
) -> None:
    """Somebody phoned and nobody answered: the task waits for the next try."""
    found = _held(session, actor, task_id, version)
    callbacks.note_try(found, actor.id, "not_reached", note, zone)
    _store(session, found)
    audit.record(session, actor.login, "callback.tried", f"callback:{found.id}")


def finish(
    session: Session,
    actor: Actor,
    task_id: int,
    version: int,
    outcome: str,
    note: str,
    zone: str,
) -> None:
    """End a task; "unreachable" only after tries on three days, one of them in the evening."""
    found = _held(session, actor, task_id, version)
    if outcome not in OUTCOMES:
        raise InvalidInput(N_("Choose what came of it."), field="outcome")
    if outcome == "unreachable":
        _require_tries(found, zone)
    found.state, found.open_key = "done", None
    found.outcome = outcome
    found.note = callbacks.with_note(found.note, note.strip()[:NOTE_CHARS])
    found.done_by_id, found.done_at = actor.id, utc_now()
    _store(session, found)
    audit.record(session, actor.login, "callback.done", f"callback:{found.id}", outcome=outcome)


def _require_tries(found: CallBack, zone: str) -> None:
    days, evening = rules.tries_lacking(callbacks.tried_at(found), zone)
    if days:
        raise InvalidInput(
            N_("Not reached counts only after tries on three days; %(days)d more to go."),
            field="outcome",
            params={"days": days},
        )
    if evening:
        raise InvalidInput(
            N_("Not reached counts only after one try between 18:00 and 20:00."), field="outcome"
        )


def reopen(session: Session, actor: Actor, task_id: int, version: int) -> None:
    """Take back an ending, unless the number has another open task by now."""
    found = _held(session, actor, task_id, version, state="done")
    taken = sa.select(CallBack.id).where(CallBack.open_key == found.caller_hash)
    if found.caller_hash is not None and session.scalar(taken) is not None:
        raise Conflict(N_("This number has a newer open call-back: work on that one."))
    found.state, found.open_key = "open", found.caller_hash
    found.outcome = found.done_by_id = found.done_at = None
    _store(session, found)
    audit.record(session, actor.login, "callback.reopened", f"callback:{found.id}")


def _held(
    session: Session, actor: Actor, task_id: int, version: int, *, state: str = "open"
) -> CallBack:
    """The task as the actor saw it, locked until this transaction ends; else Conflict."""
    query = tasks_seen(session, actor).where(CallBack.id == task_id)
    found = session.scalar(query.with_for_update().execution_options(populate_existing=True))
    if found is None:
        raise NotFound(N_("There is no such call-back here."))
    if found.version != version or found.state != state:
        raise _changed()
    return found


def _store(session: Session, found: CallBack) -> None:
    found.version += 1
    session.flush()
    outbox.emit(session, NEWS)


def _changed() -> Conflict:
    return Conflict(
        N_("Somebody else changed this call-back, or the caller phoned again. Look at it anew.")
    )
