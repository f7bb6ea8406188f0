"""保全: nothing of a case may be deleted, for a court or an inquiry, until that is lifted."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import access
from cases.models import Case, CaseHold
from core import audit, outbox
from core.auth import Actor
from core.clock import utc_now
from core.database import claimed
from core.errors import N_, Conflict, InvalidInput

RIGHT = "case.keep"
MAX_REASON = 500


def of_case(session: Session, case_id: int) -> CaseHold | None:
    """The hold, while there is one."""
    return session.get(CaseHold, case_id)


def hold(session: Session, actor: Actor, case_id: int, reason: str) -> CaseHold:
    """Keep everything of the case; InvalidInput (field "hold_reason") without a reason.

    Raises NotFound outside the actor's area and Conflict when somebody holds it already.
    """
    case = _mine(session, actor, case_id)
    why = " ".join(reason.replace("\0", " ").split())
    if not why:
        raise InvalidInput(N_("Say why it has to be kept: court, inquiry …"), field="hold_reason")
    if len(why) > MAX_REASON:
        raise InvalidInput(
            N_("The text is longer than %(limit)d characters."),
            field="hold_reason",
            params={"limit": MAX_REASON},
        )
    if of_case(session, case.id) is not None:
        raise Conflict(N_("This case is being kept already. Load it again."))
    found = CaseHold(case_id=case.id, reason=why, held_by_id=actor.id, held_at=utc_now())
    session.add(found)
    session.flush()
    audit.record(session, actor.login, "case.held", f"case:{case.id}", reason=why)
    outbox.emit(session, "case.changed", case_id=case.id)
    return found


def lift(session: Session, actor: Actor, case_id: int) -> None:
    """What is due goes with the next daily run; lifting twice changes nothing."""
    case = _mine(session, actor, case_id)
    lifted = session.execute(sa.delete(CaseHold).where(CaseHold.case_id == case.id))
    if claimed(lifted):
        audit.record(session, actor.login, "case.hold_lifted", f"case:{case.id}")
        outbox.emit(session, "case.changed", case_id=case.id)


def _mine(session: Session, actor: Actor, case_id: int) -> Case:
    """The case, locked: a run that deletes has finished with it, or waits for us."""
    actor.require(RIGHT)
    case = access.case(session, actor, case_id)
    session.scalar(sa.select(Case.id).where(Case.id == case.id).with_for_update())
    return case
