"""First contact: when somebody who works here spoke with the resident of a case.

The hotline measures it where it joins the two; what it has no part in is noted by hand.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import casework
from cases.lifecycle import Action
from cases.models import Case, CaseEvent
from core import audit, outbox
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, InvalidInput

CONTACTED = "contacted"
"""Action of a CaseEvent; its reason is how long they spoke ("3:20", minutes and seconds)."""
TOLD_BY_PHONE, TOLD_IN_PERSON = "told_by_phone", "told_in_person"
"""The same, noted by hand and measured by nobody; the reason is what was said."""
TOLD = (TOLD_BY_PHONE, TOLD_IN_PERSON)

WORDS_MIN_CHARS, WORDS_MAX_CHARS = 4, 200
CLOCKS_DIFFER = timedelta(minutes=2)
"""A telephone may be ahead of us by this much when somebody reads "now" off it."""
SAME_PRESS = timedelta(minutes=10)
"""The same words about so near a time are one talk, noted twice."""


def note_contact(
    session: Session, case_id: int, actor_id: int | None, at: datetime, talked_ms: int
) -> None:
    """Write into the case's history that they spoke from ``at`` on, measured by the hotline."""
    case = session.get(Case, case_id)
    if case is None:
        return
    seconds = round(talked_ms / 1000)
    _write(session, case, actor_id, CONTACTED, at, f"{seconds // 60}:{seconds % 60:02}")


def note_by_hand(
    session: Session, actor: Actor, case: Case, way: str, spoke_at: datetime | None, words: str
) -> bool:
    """The same on the word of ``actor``; False when it stands there already.

    ``way``: one of TOLD; ``spoke_at``: None is now. The caller has locked the case and checked that
    the actor may. Raises InvalidInput (field "spoke_at" or "words"); nothing is written then.
    """
    at = _checked_time(session, case, spoke_at)
    said = " ".join(words.replace("\0", " ").split())
    if len(said) < WORDS_MIN_CHARS:
        raise InvalidInput(N_("Say in a few words what you spoke about."), field="words")
    if len(said) > WORDS_MAX_CHARS:
        raise InvalidInput(
            N_("Write at most %(count)d characters."),
            field="words",
            params={"count": WORDS_MAX_CHARS},
        )
    if _stands_there(session, case, actor, way, at, said):
        return False
    _write(session, case, actor.id, way, at, said)
    audit.record(
        session, actor.login, "contact.note", f"case:{case.id}", way=way, spoke_at=at.isoformat()
    )
    return True


def came_to_handler_at(session: Session, case: Case) -> datetime:
    """When the case came to whoever handles it, in the present cycle."""
    given = session.scalar(
        sa.select(sa.func.max(CaseEvent.at)).where(
            CaseEvent.case_id == case.id,
            CaseEvent.cycle_no == case.cycle_no,
            CaseEvent.action.in_((Action.ASSIGN, Action.REOPEN, casework.HANDED_OVER)),
        )
    )
    return given or case.created_at


def first_contact(session: Session, case: Case) -> datetime | None:
    """When somebody first spoke with the resident in the case's present cycle."""
    found = first(session, case)
    return found.at if found is not None else None


def first(session: Session, case: Case) -> CaseEvent | None:
    """The event of ``first_contact``; a measured one before one that was told for that time."""
    contacts = sa.select(CaseEvent).where(
        CaseEvent.case_id == case.id,
        CaseEvent.action.in_((CONTACTED, *TOLD)),
        CaseEvent.cycle_no == case.cycle_no,
    )
    return session.scalar(contacts.order_by(CaseEvent.at, CaseEvent.action, CaseEvent.id).limit(1))


def _checked_time(session: Session, case: Case, spoke_at: datetime | None) -> datetime:
    """Forms know minutes, so the whole minute in which the case came counts."""
    now, came_at = utc_now(), came_to_handler_at(session, case)
    at = spoke_at or now
    if at > now + CLOCKS_DIFFER:
        raise InvalidInput(N_("This time lies in the future."), field="spoke_at")
    if at < came_at.replace(second=0, microsecond=0):
        raise InvalidInput(
            N_("The case came to you later than that. Give the time at which you spoke."),
            field="spoke_at",
        )
    return min(max(at, came_at), now)


def _stands_there(
    session: Session, case: Case, actor: Actor, way: str, at: datetime, said: str
) -> bool:
    same = sa.select(CaseEvent.id).where(
        CaseEvent.case_id == case.id,
        CaseEvent.cycle_no == case.cycle_no,
        CaseEvent.actor_id == actor.id,
        CaseEvent.action == way,
        CaseEvent.reason == said,
        CaseEvent.at.between(at - SAME_PRESS, at + SAME_PRESS),
    )
    return session.scalar(same.limit(1)) is not None


def _write(
    session: Session, case: Case, actor_id: int | None, action: str, at: datetime, reason: str
) -> None:
    session.add(
        CaseEvent(
            case_id=case.id,
            at=at,
            actor_id=actor_id,
            action=action,
            before=case.status,
            after=case.status,
            reason=reason,
            cycle_no=case.cycle_no,
        )
    )
    outbox.emit(session, "case.changed", case_id=case.id)
