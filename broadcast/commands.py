"""Things a player is to do once: asked for here, repeated until it answers or they expire.

The row is the command. It travels with the answer to the player's health and, sooner, by MQTT;
how often it arrives does not matter, for the player does each ``id`` once and tells what came of
it. Who may ask for what is decided by the room that asks.
"""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast.keys import ServerKey
from broadcast.listed import iso
from broadcast.models import Player, PlayerCommand, PlayerEvent
from core import bell, outbox
from core.auth import Actor
from core.clock import utc_now
from core.database import claimed
from core.errors import N_, InvalidInput, NotFound

KINDS = ("live", "live_stop", "resync", "update")
RESULTS = ("done", "refused", "expired")
TOLD_IN_HISTORY = ("resync", "update")
"""Kinds whose success people see in a player's history; a refusal of any kind is always seen."""
HEADER = ("id", "player_id", "kind", "expires_at")
REPEATS_S = (2, 5, 10, 30, 60)
"""Pauses after the first, second … sending; the last one goes on."""
BELL = "wake"
DETAIL_LENGTH = 200


def repeat_due_at(tries: int, sent_at: datetime | None) -> datetime | None:
    """When a command that was sent ``tries`` times is sent again; None: at once."""
    if tries < 1 or sent_at is None:
        return None
    return sent_at + timedelta(seconds=REPEATS_S[min(tries, len(REPEATS_S)) - 1])


def is_due(tries: int, sent_at: datetime | None, now: datetime) -> bool:
    """Whether to send now. A clock set back by more than the longest pause does not silence it."""
    due_at = repeat_due_at(tries, sent_at)
    if due_at is None or due_at <= now:
        return True
    return due_at - now > timedelta(seconds=REPEATS_S[-1])


def request(
    session: Session,
    actor: Actor | None,
    player_id: str,
    kind: str,
    payload: dict[str, Any],
    expires_in: timedelta,
    *,
    command_id: str | None = None,
) -> PlayerCommand:
    """Ask a player to do ``kind``; the waker sends it as soon as the caller has committed.

    With a ``command_id`` (up to 36 characters) that is known already, that command is returned and
    nothing is asked twice. Raises NotFound for a player that does not exist or was revoked,
    ValueError for a kind or payload that no player understands.
    """
    if kind not in KINDS or set(payload) & set(HEADER):
        raise ValueError(f"no command: {kind} {sorted(payload)}")
    player = session.get(Player, player_id)
    if player is None or player.revoked_at is not None:
        raise NotFound(N_("There is no such player."))
    known = session.get(PlayerCommand, command_id) if command_id else None
    if known is not None:
        if (known.player_id, known.kind) != (player_id, kind):
            raise ValueError(f"the command {command_id} is another one")
        return known
    now = utc_now()
    command = PlayerCommand(
        id=command_id or str(uuid.uuid4()),
        player_id=player_id,
        kind=kind,
        payload=payload,
        state="wanted",
        created_by_id=actor.id if actor else None,
        created_at=now,
        expires_at=now + expires_in,
        tries=0,
    )
    session.add(command)
    session.flush()
    bell.ring_after_commit(session, BELL)
    return command


def withdraw(session: Session, command_id: str) -> bool:
    """Send it no more, if nobody has answered yet; what the player already heard stays heard."""
    return _settle(session, command_id, "expired", "withdrawn", answered_at=None)


def waiting(session: Session, player_id: str, now: datetime) -> list[PlayerCommand]:
    """What the player has yet to answer, the oldest first."""
    query = sa.select(PlayerCommand).where(
        PlayerCommand.player_id == player_id,
        PlayerCommand.state == "wanted",
        PlayerCommand.expires_at > now,
    )
    return list(session.scalars(query.order_by(PlayerCommand.created_at, PlayerCommand.id)))


def pending(
    session: Session, signer: ServerKey, player_id: str, now: datetime
) -> list[dict[str, str]]:
    """Signed envelopes (payload, signature, key_id) of all that waits for the player's answer."""
    return [envelope(signer, command) for command in waiting(session, player_id, now)]


def envelope(signer: ServerKey, command: PlayerCommand) -> dict[str, str]:
    """The command as it travels; the same bytes each time."""
    header = (command.id, command.player_id, command.kind, iso(command.expires_at))
    text = json.dumps(
        {**dict(zip(HEADER, header, strict=True)), **command.payload},
        ensure_ascii=False,
        separators=(",", ":"),
    )
    return {"payload": text, "signature": signer.sign(text), "key_id": signer.key_id}


def due(session: Session, now: datetime, limit: int = 2_000) -> list[tuple[PlayerCommand, Player]]:
    """What is to be sent by MQTT now, with its players, the oldest first."""
    rows = session.execute(
        sa.select(PlayerCommand, Player)
        .join(Player, Player.id == PlayerCommand.player_id)
        .where(
            PlayerCommand.state == "wanted",
            PlayerCommand.expires_at > now,
            Player.revoked_at.is_(None),
        )
        .order_by(PlayerCommand.created_at, PlayerCommand.id)
    )
    found = [(command, player) for command, player in rows]
    return [pair for pair in found if is_due(pair[0].tries, pair[0].sent_at, now)][:limit]


def note_sent(session: Session, command_ids: list[str], now: datetime) -> None:
    """Remember that these were sent once more."""
    for start in range(0, len(command_ids), 500):
        session.execute(
            sa.update(PlayerCommand)
            .where(PlayerCommand.id.in_(command_ids[start : start + 500]))
            .values(sent_at=now, tries=PlayerCommand.tries + 1)
        )


def acknowledge(
    session: Session, player: Player, command_id: str, result: str, detail: str = ""
) -> PlayerCommand:
    """Take in what came of a command. The first answer counts, said again it changes nothing.

    An answer that comes after the command expired here is taken as well: it tells what happened.
    Raises NotFound for an unknown command or one of another player, InvalidInput for a ``result``
    that is none of RESULTS.
    """
    if result not in RESULTS:
        raise InvalidInput(N_("The result is done, refused or expired."), field="result")
    command = session.get(PlayerCommand, command_id)
    if command is None or command.player_id != player.id:
        raise NotFound(N_("There is no such command for this player."))
    _settle(session, command_id, result, detail[:DETAIL_LENGTH], answered_at=utc_now())
    session.refresh(command)
    return command


def any_overdue(session: Session, now: datetime) -> bool:
    """Whether ``expire`` has anything to do."""
    return session.scalar(sa.select(PlayerCommand.id).where(*_overdue(now)).limit(1)) is not None


def expire(session: Session, now: datetime) -> int:
    """Give up what nobody answered in time; returns how many that were."""
    ids = session.scalars(sa.select(PlayerCommand.id).where(*_overdue(now))).all()
    return sum(_settle(session, each, "expired", "no answer", answered_at=None) for each in ids)


def _overdue(now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return PlayerCommand.state == "wanted", PlayerCommand.expires_at <= now


def _settle(
    session: Session, command_id: str, state: str, detail: str, *, answered_at: datetime | None
) -> bool:
    """One conditional UPDATE decides between an answer, its repetition and the end of the time."""
    still: list[sa.ColumnElement[bool]] = [PlayerCommand.acknowledged_at.is_(None)]
    if answered_at is None:
        still.append(PlayerCommand.state == "wanted")
    settled = session.execute(
        sa.update(PlayerCommand)
        .where(PlayerCommand.id == command_id, *still)
        .values(state=state, result=detail or None, acknowledged_at=answered_at)
    )
    if not claimed(settled):
        return False
    command = session.get_one(PlayerCommand, command_id)
    session.refresh(command)
    outbox.emit(
        session,
        "command.answered",
        command_id=command_id,
        command_kind=command.kind,
        player_id=command.player_id,
        result=state,
        answered=answered_at is not None,
    )
    if answered_at is not None and (state != "done" or command.kind in TOLD_IN_HISTORY):
        told = f"{command.kind} {state}: {detail}" if detail else f"{command.kind} {state}"
        session.add(
            PlayerEvent(
                player_id=command.player_id,
                at=answered_at,
                kind="command",
                detail=told[:DETAIL_LENGTH],
            )
        )
    return True
