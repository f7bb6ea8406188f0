"""What the page of a case says about deleting: when, what has gone, and who keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import retention, retention_hold
from cases.models import Case, CaseHold, CaseReport, Report
from cases.retention import Periods
from core import settings
from core.auth import Actor
from desk import people


@dataclass(frozen=True)
class Keeping:
    """``sound_until``: when the first of its recordings goes, None while no clock runs.

    ``may_keep``: this person may hold the case and lift that.
    """

    hold: CaseHold | None
    held_by: str
    may_keep: bool
    sound_until: datetime | None
    sound_gone_at: datetime | None
    words_gone_at: datetime | None

    @property
    def shown(self) -> bool:
        facts = (self.hold, self.sound_until, self.sound_gone_at, self.words_gone_at)
        return self.may_keep or any(fact is not None for fact in facts)


def of_case(session: Session, actor: Actor, case: Case) -> Keeping:
    """What this person is told and may do; ``case`` is the actor's to see."""
    hold = retention_hold.of_case(session, case.id)
    reports = session.scalars(
        sa.select(Report)
        .join(CaseReport, CaseReport.report_id == Report.id)
        .where(CaseReport.case_id == case.id)
    ).all()
    gone = [report.sound_gone_at for report in reports if report.sound_gone_at is not None]
    return Keeping(
        hold,
        people.names(session, [hold.held_by_id]).get(hold.held_by_id, "–") if hold else "",
        actor.may(retention_hold.RIGHT),
        _sound_until(session, [one for one in reports if one.audio_sha256 is not None]),
        max(gone, default=None),
        case.words_gone_at,
    )


def _sound_until(session: Session, reports: list[Report]) -> datetime | None:
    keep = Periods.from_settings(settings.load()).audio
    ends = [retention.over_since(session, report) for report in reports]
    return min((end + keep for end in ends if end is not None), default=None)
