"""Receipts: signed, chained statements of players, taken in once and in order.

Each receipt carries the hash of the one before, so none can be dropped or slipped in between. A
player that lost its memory begins a new chain, with a number above all it can have used.
What cannot be trusted is refused with a reason; what is genuine but speaks of a play the player
has nothing to do with is kept as it is and changes nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
import structlog
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy.orm import Session

from broadcast import reasons
from broadcast.models import Player
from broadcast.models import Receipt as ReceiptRow
from core import outbox
from core.clock import utc_now
from core.errors import N_, Conflict, InvalidInput
from schedule.models import Play

FIRST = ""
"""What the first receipt of a chain names as the hash before it."""
MAX_BATCH = 500
MAX_BODY_CHARS = 4_000
log = structlog.get_logger("broadcast.receipts")


@dataclass(frozen=True)
class _Statement:
    """A receipt whose form is sound; nothing about its truth is known yet."""

    body: str
    hash: str
    previous_hash: str
    signature: str
    seq: int
    player_id: str
    play_id: int
    outcome: str
    reason: str | None
    clip_sha256: str | None
    started_at: datetime | None
    ended_at: datetime | None
    start_error_ms: float | None


def accept(session: Session, player: Player, receipts: Sequence[Any]) -> int:
    """Take in receipts; returns the number up to which all are stored (0: none yet).

    A gap ends the batch: what follows it is sent again. A bad receipt ends it too, and when
    nothing new came before it InvalidInput or Conflict says what is wrong with it.
    """
    if len(receipts) > MAX_BATCH:
        raise InvalidInput(
            N_("At most %(count)d receipts may be sent at once."),
            field="receipts",
            params={"count": MAX_BATCH},
        )
    session.get_one(Player, player.id, with_for_update=True)  # one batch of a player at a time
    last_seq, last_hash = _end_of_chain(session, player.id)
    is_new = False
    try:
        statements = sorted((_read(entry) for entry in receipts), key=lambda found: found.seq)
        for statement in statements:
            if statement.seq <= last_seq:
                _check_repeated(session, player, statement)
                continue
            if statement.seq > last_seq + 1:
                if statement.previous_hash != FIRST:
                    break
                last_hash = FIRST  # the player lost its memory and began a new chain
                log.warning("player began a new chain", player=player.id, after_seq=last_seq)
            _check(player, statement, last_hash)
            _store(session, player, statement)
            last_seq, last_hash, is_new = statement.seq, statement.hash, True
    except (InvalidInput, Conflict) as error:
        if not is_new:
            raise
        log.warning("receipt refused", player=player.id, after_seq=last_seq, error=error.text)
    return last_seq


def _end_of_chain(session: Session, player_id: str) -> tuple[int, str]:
    last = session.execute(
        sa.select(ReceiptRow.seq, ReceiptRow.hash)
        .where(ReceiptRow.player_id == player_id)
        .order_by(ReceiptRow.seq.desc())
        .limit(1)
    ).first()
    return (last.seq, last.hash) if last else (0, FIRST)


def _check_repeated(session: Session, player: Player, statement: _Statement) -> None:
    stored = session.scalar(
        sa.select(ReceiptRow.hash).where(
            ReceiptRow.player_id == player.id, ReceiptRow.seq == statement.seq
        )
    )
    if stored != statement.hash:
        raise Conflict(
            N_("Receipt %(seq)d was received before with other content."),
            field="seq",
            params={"seq": statement.seq},
        )


def _check(player: Player, statement: _Statement, last_hash: str) -> None:
    where = {"seq": statement.seq}
    if statement.player_id != player.id:
        raise InvalidInput(
            N_("Receipt %(seq)d belongs to another player."), field="player_id", params=where
        )
    if statement.previous_hash != last_hash:
        raise Conflict(
            N_("Receipt %(seq)d does not follow the one before it."),
            field="previous_hash",
            params=where,
        )
    digest = hashlib.sha256((statement.previous_hash + statement.body).encode()).hexdigest()
    if digest != statement.hash:
        raise InvalidInput(
            N_("The hash of receipt %(seq)d does not fit its content."), field="hash", params=where
        )
    try:
        Ed25519PublicKey.from_public_bytes(base64.b64decode(player.public_key)).verify(
            base64.b64decode(statement.signature, validate=True), statement.hash.encode()
        )
    except (InvalidSignature, binascii.Error):
        raise InvalidInput(
            N_("The signature of receipt %(seq)d is wrong."), field="signature", params=where
        ) from None


def _store(session: Session, player: Player, statement: _Statement) -> None:
    session.add(
        ReceiptRow(
            player_id=player.id,
            seq=statement.seq,
            play_id=statement.play_id,
            outcome=statement.outcome,
            reason=statement.reason,
            clip_sha256=statement.clip_sha256,
            started_at=statement.started_at,
            ended_at=statement.ended_at,
            start_error_ms=statement.start_error_ms,
            body=statement.body,
            hash=statement.hash,
            previous_hash=statement.previous_hash,
            signature=statement.signature,
            received_at=utc_now(),
        )
    )
    session.flush()
    play = session.get(Play, statement.play_id, with_for_update=True)
    if play is None or play.area_code != player.area_code:
        log.warning("receipt of a play that is not the player's", player=player.id)
        return
    if _apply(play, statement):
        outbox.emit(session, "play.changed", play_id=play.id)


def _apply(play: Play, statement: _Statement) -> bool:
    """Let the play say what the receipt proves; returns whether that is news."""
    if statement.outcome == "missed":
        is_open = play.state in ("planned", "published")
        unexplained = play.state == "missed" and play.reason in reasons.GUESSED
        if not (is_open or unexplained):
            return False
        play.state, play.reason = "missed", statement.reason or reasons.NOT_SAID
        return True
    if play.state == "played":
        earlier = statement.started_at is not None and (
            play.started_at is None or statement.started_at < play.started_at
        )
        if not earlier:
            return False
    elif play.state == "missed" and play.reason in reasons.GUESSED:
        play.reason = reasons.LATE_RECEIPT
    elif play.state == "cancelled":
        play.reason = reasons.PLAYED_THOUGH_CANCELLED
    elif play.clip_sha256 != statement.clip_sha256:
        play.reason = reasons.OLDER_EDITION
    else:
        play.reason = None
    play.state = "played"
    play.started_at, play.ended_at = statement.started_at, statement.ended_at
    play.start_error_ms = statement.start_error_ms
    return True


def _read(entry: Any) -> _Statement:
    try:
        body = str(entry["body"])
        if len(body) > MAX_BODY_CHARS:
            raise ValueError("too long")
        said = json.loads(body)
        found = _Statement(
            body=body,
            hash=str(entry["hash"]),
            previous_hash=str(entry["previous_hash"]),
            signature=str(entry["signature"]),
            seq=int(said["seq"]),
            player_id=str(said["player_id"]),
            play_id=int(said["play_id"]),
            outcome=said["outcome"],
            reason=_short(said.get("reason")),
            clip_sha256=said.get("clip_sha256"),
            started_at=_moment(said.get("started_at")),
            ended_at=_moment(said.get("ended_at")),
            start_error_ms=_number(said.get("start_error_ms")),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        raise _not_understood() from None
    if found.outcome not in ("played", "missed") or not 0 < found.seq < 2**31:
        raise _not_understood()
    if found.outcome == "played" and found.started_at is None:
        raise _not_understood()
    if not 0 <= found.play_id < 2**31 or len(found.hash) != 64 or len(found.signature) > 100:
        raise _not_understood()
    return found


def _not_understood() -> InvalidInput:
    return InvalidInput(N_("A receipt is not understood."), field="receipts")


def _moment(value: Any) -> datetime | None:
    if value is None:
        return None
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment.astimezone(UTC)


def _number(value: Any) -> float | None:
    if value is None:
        return None
    number = float(value)
    if not abs(number) < 1e12:
        raise ValueError("not a plausible number of milliseconds")
    return number


def _short(value: Any) -> str | None:
    return None if value is None else str(value)[:60]
