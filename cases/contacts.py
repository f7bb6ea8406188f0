"""First contact: when somebody who works here spoke with the resident of a case."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases.models import Case, CaseEvent
from core import outbox

CONTACTED = "contacted"
"""Action of a CaseEvent; its reason is how long they spoke ("3:20", minutes and seconds)."""


def note_contact(
    session: Session, case_id: int, actor_id: int | None, at: datetime, talked_ms: int
) -> None:
    """Write into the case's history that they spoke from ``at`` on, measured by the hotline."""
    case = session.get(Case, case_id)
    if case is None:
        return
    seconds = round(talked_ms / 1000)
    session.add(
        CaseEvent(
            case_id=case.id,
            at=at,
            actor_id=actor_id,
            action=CONTACTED,
            before=case.status,
            after=case.status,
            reason=f"{seconds // 60}:{seconds % 60:02}",
            cycle_no=case.cycle_no,
        )
    )
    outbox.emit(session, "case.changed", case_id=case.id)


def first_contact(session: Session, case: Case) -> datetime | None:
    """When somebody first spoke with the resident in the case's present cycle."""
    return session.scalar(
        sa.select(sa.func.min(CaseEvent.at)).where(
            CaseEvent.case_id == case.id,
            CaseEvent.action == CONTACTED,
            CaseEvent.cycle_no == case.cycle_no,
        )
    )
