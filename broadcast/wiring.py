"""What this room does when others tell news."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import accounts, after_restore, manifest, override, override_plays, volumes
from broadcast.models import Override, Player
from core import areas, outbox, settings
from core.outbox import Handler
from schedule import quiet

LISTS_DUE = "lists.due"
"""News: {area_codes}; their lists are to be made anew. A county of a thousand villages takes
seconds, in which nobody else could write: so many of them go into one transaction, no more."""


def handlers() -> list[tuple[str, Handler]]:
    """(kind, handler) pairs for the dispatcher."""
    return [
        ("plays.planned", _plays_planned),
        ("player.changed", _player_changed),
        (LISTS_DUE, _lists_due),
        (quiet.CHANGED, _quiet_changed),
        (volumes.CHANGED, _volume_changed),
        (override.CHANGED, _override_changed),
        (override_plays.ROUNDS_LEFT, _rounds_left),
        (after_restore.ROUNDS_LEFT, _rounds_to_move),
    ]


def _plays_planned(session: Session, payload: dict[str, Any]) -> None:
    for area_code in payload["area_codes"]:
        quiet.mark(session, area_code)
    _make_lists(session, payload["area_codes"])


def _make_lists(session: Session, area_codes: Sequence[str]) -> None:
    """The first ones now, the others each some moments later in a transaction of their own."""
    for start in range(override.VILLAGES_A_TIME, len(area_codes), override.VILLAGES_A_TIME):
        later = list(area_codes[start : start + override.VILLAGES_A_TIME])
        outbox.emit(session, LISTS_DUE, area_codes=later)
    for area_code in area_codes[: override.VILLAGES_A_TIME]:
        manifest.build(session, area_code, keep=True)


def _lists_due(session: Session, payload: dict[str, Any]) -> None:
    _make_lists(session, payload["area_codes"])


def _player_changed(session: Session, payload: dict[str, Any]) -> None:
    if payload.get("presence"):
        return  # it came or went: neither its account nor its list is another
    accounts.write_files(session, settings.load())
    area_code = session.scalar(sa.select(Player.area_code).where(Player.id == payload["player_id"]))
    if area_code is not None:
        manifest.build(session, area_code, keep=True)


def _quiet_changed(session: Session, payload: dict[str, Any]) -> None:
    manifest.build(session, payload["area_code"], keep=True)


def _override_changed(session: Session, payload: dict[str, Any]) -> None:
    _make_lists(session, payload["area_codes"])


def _rounds_left(session: Session, payload: dict[str, Any]) -> None:
    found = session.get_one(Override, payload["override_id"])
    override_plays.cancel_from(session, found, payload["first_round"])


def _rounds_to_move(session: Session, payload: dict[str, Any]) -> None:
    found = session.get_one(Override, payload["override_id"])
    how = (payload["first"], payload["up_to"], payload["by"])
    after_restore.move_rounds(session, found, *how)


def _volume_changed(session: Session, payload: dict[str, Any]) -> None:
    concerned = areas.below(session, payload["area_code"])
    with_players = sa.select(Player.area_code).where(
        Player.area_code.in_(concerned), Player.revoked_at.is_(None)
    )
    _make_lists(session, session.scalars(with_players.distinct()).all())
