"""What became of an override in each village, counted by the database.

A day of a county has hundreds of thousands of rounds; a page that is open asks each few seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from broadcast.models import Override, OverridePlay
from core.clock import utc_now

SOON = timedelta(seconds=5)
"""A round that begins so soon counts as begun."""


@dataclass(frozen=True)
class Rounds:
    """Those of a village whose time has come. ``first_at``: when the first of those that count as
    heard began; ``newest``: the state of the last one, "" before the first; ``reason``: the last
    that was given for any of them, or ""."""

    first_at: datetime | None = None
    heard: int = 0
    missed: int = 0
    newest: str = ""
    reason: str = ""


def by_village(session: Session, found: Override, codes: Sequence[str]) -> dict[str, Rounds]:
    """Village code -> what became of its rounds; villages without any are left out."""
    newest = _newest(session, found, codes[0]) if codes else 0
    if not newest:
        return {}
    # One that broke off, or was never proved, keeps the time at which it began.
    is_missed, started_at = OverridePlay.state == "missed", OverridePlay.started_at
    heard_from = sa.case((sa.not_(is_missed), started_at))
    has_reason = sa.func.coalesce(OverridePlay.reason, "") != ""
    due = (
        sa.select(
            OverridePlay.area_code,
            sa.func.min(heard_from).label("first_at"),
            sa.func.count(heard_from).label("heard"),
            sa.func.count(sa.case((is_missed, 1))).label("missed"),
            sa.func.max(sa.case((has_reason, OverridePlay.round_no))).label("explained"),
        )
        .where(OverridePlay.override_id == found.id, OverridePlay.area_code.in_(codes))
        .where(OverridePlay.round_no <= newest)
        .group_by(OverridePlay.area_code)
        .subquery()
    )
    last, why = aliased(OverridePlay), aliased(OverridePlay)
    rows = session.execute(
        sa.select(due, last.state.label("newest"), why.reason)
        .outerjoin(last, _is_round(last, found, due.c.area_code, newest))
        .outerjoin(why, _is_round(why, found, due.c.area_code, due.c.explained))
    )
    return {
        row.area_code: Rounds(
            row.first_at, row.heard, row.missed, row.newest or "", row.reason or ""
        )
        for row in rows
    }


def _newest(session: Session, found: Override, a_village: str) -> int:
    """Number of the last round that has begun; all villages have the same ones."""
    numbers = sa.select(sa.func.max(OverridePlay.round_no)).where(
        OverridePlay.override_id == found.id,
        OverridePlay.area_code == a_village,
        OverridePlay.starts_at <= utc_now() + SOON,
    )
    return session.scalar(numbers) or 0


def _is_round(
    each: type[OverridePlay], found: Override, area_code: Any, number: Any
) -> sa.ColumnElement[bool]:
    return sa.and_(
        each.override_id == found.id, each.area_code == area_code, each.round_no == number
    )
