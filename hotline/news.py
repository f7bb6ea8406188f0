"""What key 3 plays: for each village what came of its reports, and the newest approved episodes.

Outcomes are numbers alone, with their denominator, and nothing when they are so few that
neighbours would know whom they mean. Confidential reports are in no number.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases.models import Case, CaseReport, Report
from core.clock import utc_now
from schedule import horizon, rundown
from schedule.models import Slot, SlotVillage

DAYS = 30
FEWEST = 3
"""Fewer reports than this are not spoken of."""
_COUNTED = ("received", "under_review", "accepted", "duplicate")


def outcomes(session: Session) -> dict[str, str]:
    """Village code -> a sentence such as "最近三十天，本村有五件诉求，办结了三件。"."""
    since = utc_now() - timedelta(days=DAYS)
    rows = session.execute(
        sa.select(Report.village_code, Report.id, Case.status)
        .outerjoin(CaseReport, CaseReport.report_id == Report.id)
        .outerjoin(Case, Case.id == CaseReport.case_id)
        .where(
            Report.received_at >= since,
            Report.village_code.is_not(None),
            Report.confidential.is_(False),
            Report.state.in_(_COUNTED),
        )
    )
    statuses: dict[str, dict[int, list[str | None]]] = defaultdict(lambda: defaultdict(list))
    for village, report_id, status in rows:
        if village is not None:
            statuses[village][report_id].append(status)
    found = {}
    for village, reports in statuses.items():
        if len(reports) >= FEWEST:
            done = sum(all(status == "closed" for status in each) for each in reports.values())
            found[village] = sentence(len(reports), done)
    return found


def sentence(reports: int, done: int) -> str:
    """What is spoken of so many reports, of which so many are closed."""
    return f"最近三十天，本村有{reports}件诉求，其中{done}件已经办结。"


def episodes(session: Session) -> dict[str, list[str]]:
    """Village code -> SHA-256 of what airs there: the newest approved of each programme."""
    rows = session.execute(
        sa.select(SlotVillage.area_code, Slot.programme_id, Slot.last_date, Slot.zone)
        .join(Slot, Slot.id == SlotVillage.slot_id)
        .where(Slot.active)
        .order_by(SlotVillage.area_code, Slot.programme_id)
    ).all()
    now = utc_now()
    live = [
        (village, programme)
        for village, programme, last_date, zone in rows
        if last_date >= rundown.local_date_of(now, zone)
    ]
    newest = {
        programme: horizon.newest_approved(session, programme)
        for programme in {programme for _village, programme in live}
    }
    found: dict[str, list[str]] = defaultdict(list)
    for village, programme in dict.fromkeys(live):
        episode = newest[programme]
        if episode is not None:
            found[village].append(episode[1])
    return dict(found)
