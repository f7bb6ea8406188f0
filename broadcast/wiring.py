"""What this room does when others tell news."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import accounts, manifest, wake
from broadcast.models import Player
from core import bell, settings
from core.outbox import Handler


def handlers() -> list[tuple[str, Handler]]:
    """(kind, handler) pairs for the dispatcher."""
    return [
        ("plays.planned", _plays_planned),
        ("player.changed", _player_changed),
        ("manifest.changed", _manifest_changed),
    ]


def _plays_planned(session: Session, payload: dict[str, Any]) -> None:
    for area_code in payload["area_codes"]:
        manifest.build(session, area_code)


def _player_changed(session: Session, payload: dict[str, Any]) -> None:
    accounts.write_files(session, settings.load())
    area_code = session.scalar(sa.select(Player.area_code).where(Player.id == payload["player_id"]))
    if area_code is not None:
        manifest.build(session, area_code)


def _manifest_changed(_session: Session, _payload: dict[str, Any]) -> None:
    bell.ring(wake.BELL)
