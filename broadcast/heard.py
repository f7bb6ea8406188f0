"""What each player was to sound and what it proved, read for the rules of silence."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from broadcast.models import LiveListener, Override, OverridePlay, Player, Receipt
from broadcast.silence import Due
from core.clock import utc_now
from schedule.models import Play

LOOK_BACK = timedelta(days=30)
"""Longer silences count as this long: older plays are not looked at."""


def last_sounded(session: Session, player_ids: Collection[str]) -> dict[str, datetime]:
    """Player id -> start of the last sound it proved (a play, a round, a live address)."""
    live = (
        sa.select(sa.func.max(LiveListener.first_sound_at))
        .where(LiveListener.player_id == Player.id)
        .scalar_subquery()
    )
    rows = session.execute(sa.select(Player.id, _newest(), live).where(Player.id.in_(player_ids)))
    found: dict[str, datetime] = {}
    for player_id, played_at, spoken_at in rows:
        moments = [moment for moment in (played_at, spoken_at) if moment is not None]
        if moments:
            found[player_id] = max(moments)
    return found


def due_since(session: Session, player_ids: Collection[str]) -> dict[str, list[Due]]:
    """Player id -> what it was to sound after the last play it proved, once it was let in."""
    found: dict[str, list[Due]] = {}
    for query in (_plays(player_ids), _rounds(player_ids)):
        for row in session.execute(query):
            player_id, starts_at, duration_ms, reason, clip, outcome, told_reason = row
            due = Due(
                starts_at=starts_at,
                duration_ms=duration_ms or 0,
                sounded=outcome == "played",
                told=outcome is not None,
                reason=told_reason or reason or (None if clip else "no_episode"),
            )
            found.setdefault(player_id, []).append(due)
    return found


def _plays(player_ids: Collection[str]) -> sa.Select[*tuple[Any, ...]]:
    return (
        sa.select(
            Player.id, Play.starts_at, Play.duration_ms, Play.reason, Play.clip_sha256,
            Receipt.outcome, Receipt.reason,
        )
        .join(Play, Play.area_code == Player.area_code)
        .outerjoin(Receipt, _receipt_of(Play.id))
        .where(*_due(Play.starts_at, player_ids), Play.state != "cancelled")
    )  # fmt: skip


def _rounds(player_ids: Collection[str]) -> sa.Select[*tuple[Any, ...]]:
    return (
        sa.select(
            Player.id, OverridePlay.starts_at, Override.duration_ms, OverridePlay.reason,
            Override.clip_sha256, Receipt.outcome, Receipt.reason,
        )
        .join(OverridePlay, OverridePlay.area_code == Player.area_code)
        .join(Override, Override.id == OverridePlay.override_id)
        .outerjoin(Receipt, _receipt_of(OverridePlay.id))
        .where(*_due(OverridePlay.starts_at, player_ids), OverridePlay.state != "cancelled")
    )  # fmt: skip


def _receipt_of(play_id: Any) -> sa.ColumnElement[bool]:
    return sa.and_(Receipt.play_id == play_id, Receipt.player_id == Player.id)


def _due(starts_at: Any, player_ids: Collection[str]) -> list[sa.ColumnElement[bool]]:
    now = utc_now()
    return [
        Player.id.in_(player_ids),
        Player.revoked_at.is_(None),
        starts_at > sa.func.coalesce(_newest(), Player.approved_at),
        starts_at > Player.approved_at,
        starts_at.between(now - LOOK_BACK, now),
    ]


def _newest() -> sa.ScalarSelect[Any]:
    """Start of the last play or round a player proved. By number: numbers grow with time."""
    inner = aliased(Receipt)
    return (
        sa.select(inner.started_at)
        .where(inner.player_id == Player.id, inner.outcome == "played")
        .order_by(inner.seq.desc())
        .limit(1)
        .correlate(Player)
        .scalar_subquery()
    )
