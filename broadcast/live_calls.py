"""How players are called to a live address and recalled from it: a command for each of them.

A program that started anew in the meantime remembers no address, and has answered its call: it is
called once more, by a command that belongs to this start.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import commands, live_frames
from broadcast.listed import iso
from broadcast.models import LiveListener, LiveSession, Player, PlayerCommand
from core.auth import Actor
from core.clock import utc_now

STOP_LIVES = timedelta(minutes=2)


def command_id(session_id: str, player_id: str, boot_id: str = "") -> str:
    """The command that calls a player to a session: one for each pair, and each later start."""
    return str(uuid.uuid5(uuid.UUID(session_id), player_id + boot_id))


def call(
    session: Session, actor: Actor | None, row: LiveSession, player_id: str, ends_at: datetime,
    boot_id: str = "",
) -> None:  # fmt: skip
    """Ask a player to join; again with the same ``boot_id`` changes nothing."""
    payload = {
        "session_id": row.id,
        "started_at": iso(row.created_at),
        "ends_at": iso(ends_at),
        "rate_hz": live_frames.RATE_HZ,
        "codec": live_frames.CODEC,
        "emergency": row.emergency,
        "chime_sha256": None,
    }
    commands.request(
        session, actor, player_id, "live", payload, ends_at - utc_now(),
        command_id=command_id(row.id, player_id, boot_id),
    )  # fmt: skip


def call_again(
    session: Session, player: Player, running: Iterable[LiveSession], longest: timedelta
) -> None:
    """The player's program has just started: call it to what it should be hearing."""
    for row in running:
        ends_at = row.created_at + longest
        if ends_at > utc_now() and session.get(LiveListener, (row.id, player.id)) is not None:
            call(session, None, row, player.id, ends_at, (player.boot_ids or [""])[-1])


def recall(session: Session, session_id: str, player_id: str, *, hush: bool) -> None:
    """Withdraw the calls nobody has answered; who answered one is told to stop."""
    player = session.get(Player, player_id)
    if player is None:
        return
    ids = [command_id(session_id, player_id, boot) for boot in ("", *(player.boot_ids or ()))]
    made = session.scalars(sa.select(PlayerCommand.id).where(PlayerCommand.id.in_(ids))).all()
    is_called = not all([commands.withdraw(session, each) for each in made])
    if is_called and player.revoked_at is None:
        payload = {"session_id": session_id, "hush": hush}
        commands.request(session, None, player_id, "live_stop", payload, STOP_LIVES)


def shut_out(session: Session, session_id: str) -> list[str]:
    """Ids of called players that a person has shut out since."""
    query = sa.select(LiveListener.player_id).join(Player, Player.id == LiveListener.player_id)
    found = query.where(LiveListener.session_id == session_id, Player.revoked_at.is_not(None))
    return list(session.scalars(found))
