"""What the town did in the last hour, for ``python -m demo status``."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from cases.models import Report
from core.clock import utc_now
from core.database import Database
from schedule.models import Play
from transcribe.models import TranscriptionJob


def status(database: Database) -> dict[str, Any]:
    """Plays of the last hour by state, the worst start error in ms, reports and jobs by state."""
    now = utc_now()
    with database.read() as session:
        plays = session.execute(
            sa.select(Play.state, Play.start_error_ms).where(
                Play.starts_at > now - timedelta(hours=1), Play.starts_at <= now
            )
        ).all()
        reports = session.execute(sa.select(Report.state, sa.func.count()).group_by(Report.state))
        jobs = session.execute(
            sa.select(TranscriptionJob.state, sa.func.count()).group_by(TranscriptionJob.state)
        )
        errors = [abs(error) for _, error in plays if error is not None]
        return {
            "plays_planned": sum(state != "cancelled" for state, _ in plays),
            "plays_played": sum(state == "played" for state, _ in plays),
            "plays_missed": sum(state == "missed" for state, _ in plays),
            "worst_start_error_ms": max(errors) if errors else None,
            "reports_by_state": {state: count for state, count in reports},
            "transcriptions_by_state": {state: count for state, count in jobs},
        }
