"""Changes of a report: the version lock, the history, the news."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases.models import Report, ReportEvent
from core import outbox, settings
from core.auth import Actor
from core.clock import utc_now
from core.database import claimed
from core.errors import N_, Conflict
from core.models import User


def change(session: Session, actor: Actor, report: Report, version: int, **values: Any) -> None:
    """Write ``values`` when the row still has ``version``; else Conflict that tells who."""
    changed = session.execute(
        sa.update(Report)
        .where(Report.id == report.id, Report.version == version)
        .values(**values, version=version + 1, changed_by_id=actor.id, changed_at=utc_now())
        .execution_options(synchronize_session=False)
    )
    if not claimed(changed):
        raise _stale(session, report.id)
    session.refresh(report)


def _stale(session: Session, report_id: int) -> Conflict:
    found = session.execute(
        sa.select(User.display_name, Report.changed_at)
        .join(User, User.id == Report.changed_by_id)
        .where(Report.id == report_id)
    ).first()
    zone = ZoneInfo(settings.load().zone)
    return Conflict(
        N_("%(name)s changed this report at %(time)s. Your text is kept; load the page again."),
        params={
            "name": found[0] if found else "?",
            "time": found[1].astimezone(zone).strftime("%H:%M:%S") if found and found[1] else "?",
        },
    )


def last(session: Session, report_id: int, actor_id: int, action: str) -> ReportEvent | None:
    """The newest event of that action by that person."""
    return session.scalar(
        sa.select(ReportEvent)
        .where(
            ReportEvent.report_id == report_id,
            ReportEvent.actor_id == actor_id,
            ReportEvent.action == action,
        )
        .order_by(ReportEvent.id.desc())
        .limit(1)
    )


def note(
    session: Session,
    actor: Actor | None,
    report: Report,
    action: str,
    before: str,
    reason: str | None = None,
) -> None:
    """Append an event; ``before`` is the state the report came from. Without ``actor`` nobody who
    works here did it."""
    session.add(
        ReportEvent(
            report_id=report.id,
            at=utc_now(),
            actor_id=actor.id if actor is not None else None,
            action=action,
            before=before,
            after=report.state,
            reason=reason,
        )
    )
    session.flush()


def tell(session: Session, report: Report) -> None:
    """News for the pages."""
    outbox.emit(session, "report.changed", report_id=report.id)


def events(session: Session, report_id: int) -> list[ReportEvent]:
    """Everything that happened to a report, oldest first."""
    query = sa.select(ReportEvent).where(ReportEvent.report_id == report_id)
    return list(session.scalars(query.order_by(ReportEvent.id)))
