"""Changes of a case: the version lock, the history, the news."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases.models import Case, CaseEvent
from core import outbox
from core.auth import Actor
from core.database import claimed
from core.errors import N_, Conflict


def change(session: Session, case: Case, version: int, **values: Any) -> None:
    """Write ``values`` when the row still has ``version``; else Conflict."""
    changed = session.execute(
        sa.update(Case)
        .where(Case.id == case.id, Case.version == version)
        .values(**values, version=version + 1)
        .execution_options(synchronize_session=False)
    )
    if not claimed(changed):
        raise Conflict(N_("Somebody changed this case meanwhile. Load it again and decide anew."))
    session.refresh(case)


def note(
    session: Session,
    case: Case,
    actor: Actor | None,
    action: str,
    before: str | None,
    after: str,
    reason: str | None,
    at: datetime,
) -> None:
    """Append an event. Without ``actor`` nobody who works here did it."""
    session.add(
        CaseEvent(
            case_id=case.id,
            at=at,
            actor_id=actor.id if actor else None,
            action=action,
            before=before,
            after=after,
            reason=reason,
            cycle_no=case.cycle_no,
        )
    )
    session.flush()


def tell(session: Session, case: Case) -> None:
    """News for the pages."""
    outbox.emit(session, "case.changed", case_id=case.id)
