"""What this room does when others tell news."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from core import settings
from core.clock import utc_now
from core.outbox import Handler
from recordings.models import Episode
from schedule import horizon


def handlers() -> list[tuple[str, Handler]]:
    """(kind, handler) pairs for the dispatcher."""
    return [("slot.changed", _slot_changed), ("episode.changed", _episode_changed)]


def _slot_changed(session: Session, payload: dict[str, Any]) -> None:
    until = utc_now() + timedelta(days=settings.load().play_horizon_days)
    horizon.plan_slot(session, int(payload["slot_id"]), until)


def _episode_changed(session: Session, payload: dict[str, Any]) -> None:
    episode = session.get(Episode, int(payload["episode_id"]))
    if episode is None:
        return
    until = utc_now() + timedelta(days=settings.load().play_horizon_days)
    for slot_id in horizon.slot_ids_of_programme(session, episode.programme_id):
        horizon.plan_slot(session, slot_id, until)
