"""A handler tells that he spoke with the resident: by a telephone of his own, or face to face.

Where the hotline can join the two, it measures the talk itself, and only a visit is told.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from cases import access, contacts
from cases.models import Case
from core.auth import Actor
from core.errors import N_, Forbidden, InvalidInput
from core.sealed import Sealer
from core.settings import Settings
from hotline.outgoing import orders, roads


def may_note(actor: Actor, case: Case) -> bool:
    """Whether the actor handles the case, works on it and may speak with its resident at all."""
    works_on_it = case.handler_id == actor.id and case.status in orders.HANDLER_STATES
    return works_on_it and orders.may_call_resident(actor, case)


def ways(session: Session, sealer: Sealer, settings: Settings, case: Case) -> tuple[str, ...]:
    """The ways of speaking (contacts.TOLD) that may be told of this case."""
    if roads.can_connect(session, sealer, settings, case):
        return (contacts.TOLD_IN_PERSON,)
    return contacts.TOLD


def note(
    session: Session,
    settings: Settings,
    sealer: Sealer,
    actor: Actor,
    case_id: int,
    way: str,
    spoke_at: datetime | None,
    words: str,
) -> bool:
    """Write it into the case's history; False when it stands there already.

    Raises NotFound, Forbidden or InvalidInput (way, spoke_at, words); nothing is written then.
    """
    found = access.case(session, actor, case_id)
    case = session.get_one(Case, found.id, with_for_update=True)  # a double press queues here
    if not may_note(actor, case):
        raise Forbidden(
            N_("Only the handler who took this case notes that he spoke with its resident.")
        )
    if way not in ways(session, sealer, settings, case):
        raise InvalidInput(N_("Choose how you spoke with the resident."), field="way")
    return contacts.note_by_hand(session, actor, case, way, spoke_at, words)
