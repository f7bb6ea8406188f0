"""Who listened to which report, and whether to its end."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import access, ledger
from cases.models import Report, ReportEvent
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, Conflict

MAX_SPEED = 1.5
HEARD_TOLERANCE = 0.9


def note_play(session: Session, actor: Actor, report: Report) -> bool:
    """Write down that the actor began to listen; False when noted within the last minute."""
    now = utc_now()
    last = ledger.last(session, report.id, actor.id, "play")
    if last is not None and now - last.at < timedelta(minutes=1):
        return False
    ledger.note(session, actor, report, "play", report.state)
    return True


def mark_heard(session: Session, actor: Actor, report_id: int) -> None:
    """The page says the sound was played to its end; believed when the time for it has passed."""
    report = access.report(session, actor, report_id)
    access.require_hear(actor, report)
    if heard(session, actor, report):
        return
    first = session.scalar(
        sa.select(sa.func.min(ReportEvent.at)).where(
            ReportEvent.report_id == report.id,
            ReportEvent.actor_id == actor.id,
            ReportEvent.action == "play",
        )
    )
    needed_ms = (report.duration_ms or 0) / MAX_SPEED * HEARD_TOLERANCE
    if first is None or utc_now() - first < timedelta(milliseconds=needed_ms):
        raise Conflict(N_("The recording has not been played to its end yet."))
    ledger.note(session, actor, report, "heard", report.state)


def heard(session: Session, actor: Actor, report: Report) -> bool:
    """Whether this person played the sound to its end (true when there is no sound)."""
    if report.audio_sha256 is None:
        return True
    return ledger.last(session, report.id, actor.id, "heard") is not None
