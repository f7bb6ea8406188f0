"""Receipts: signed, chained statements of players, taken in once and in order.

Each receipt carries the hash of the one before, so none can be dropped or slipped in between. A
player that lost its memory begins a new chain, with a number above all it can have used.
What cannot be trusted is refused with a reason; what is genuine but speaks of a play the player
has nothing to do with is kept as it is and changes nothing. So is a second chain of the same key:
that is another box with a copy of it. What went into a file for want of a sound card counts as
missed: ``body`` keeps what the player said, the columns say what it is worth.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
import structlog
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy.orm import Session

from broadcast import (
    after_restore,
    clones,
    health_view,
    override_receipts,
    reasons,
    statements,
)  # fmt: skip
from broadcast.models import OVERRIDE_IDS, ForkedReceipt, Player
from broadcast.models import Receipt as ReceiptRow
from broadcast.statements import Statement
from core import outbox
from core.clock import utc_now
from core.errors import N_, Conflict, InvalidInput
from core.types import JsonObject
from schedule.models import Play

FIRST = ""
"""What the first receipt of a chain names as the hash before it."""
MAX_BATCH = 500
log = structlog.get_logger("broadcast.receipts")


def accept(session: Session, player: Player, receipts: Sequence[Any]) -> int:
    """Take in receipts; returns the number up to which all are stored (0: none yet).

    A gap ends the batch: what follows it is sent again. A second chain is stored beside the first,
    and then the number is one of its own. A bad receipt ends it too, and when
    nothing new came before it InvalidInput or Conflict says what is wrong with it.
    """
    if len(receipts) > MAX_BATCH:
        raise InvalidInput(
            N_("At most %(count)d receipts may be sent at once."),
            field="receipts",
            params={"count": MAX_BATCH},
        )
    # One batch of a player at a time.
    health = session.get_one(Player, player.id, with_for_update=True).health
    last_seq, last_hash = _end_of_chain(session, player.id)
    is_new, highest_asked, forked_seq = False, last_seq, 0
    try:
        sent = sorted((statements.read(entry) for entry in receipts), key=lambda found: found.seq)
        highest_asked = sent[-1].seq if sent else last_seq
        for statement in sent:
            if _is_beside_chain(session, player, statement, last_seq, last_hash):
                _keep_beside(session, player, statement)
                forked_seq, is_new = statement.seq, True
                continue
            if statement.seq <= last_seq:
                continue
            if statement.seq > last_seq + 1:
                if statement.previous_hash != FIRST:
                    break
                last_hash = FIRST  # the player lost its memory and began a new chain
                log.warning("player began a new chain", player=player.id, after_seq=last_seq)
            _check(player, statement, last_hash)
            _store(session, player, _as_heard(statement, health))
            last_seq, last_hash, is_new = statement.seq, statement.hash, True
    except (InvalidInput, Conflict) as error:
        if not is_new:
            raise
        log.warning("receipt refused", player=player.id, after_seq=last_seq, error=error.text)
    return forked_seq or min(last_seq, highest_asked)


def _end_of_chain(session: Session, player_id: str) -> tuple[int, str]:
    last = session.execute(
        sa.select(ReceiptRow.seq, ReceiptRow.hash)
        .where(ReceiptRow.player_id == player_id)
        .order_by(ReceiptRow.seq.desc())
        .limit(1)
    ).first()
    return (last.seq, last.hash) if last else (0, FIRST)


def _is_beside_chain(
    session: Session, player: Player, statement: Statement, last_seq: int, last_hash: str
) -> bool:
    """Whether another receipt has the number, or this one follows such a one."""
    if statement.seq <= last_seq:
        stored = session.scalar(
            sa.select(ReceiptRow.hash).where(
                ReceiptRow.player_id == player.id, ReceiptRow.seq == statement.seq
            )
        )
        return stored != statement.hash
    follows = statement.previous_hash
    return follows not in (last_hash, FIRST) and clones.holds_fork(session, player.id, follows)


def _keep_beside(session: Session, player: Player, statement: Statement) -> None:
    _check(player, statement, statement.previous_hash)
    log.warning("a second chain of receipts", player=player.id, seq=statement.seq)
    clones.keep_fork(
        session,
        player,
        ForkedReceipt(
            player_id=player.id,
            seq=statement.seq,
            play_id=statement.play_id,
            outcome=statement.outcome,
            body=statement.body,
            hash=statement.hash,
            previous_hash=statement.previous_hash,
            signature=statement.signature,
            received_at=utc_now(),
        ),
    )


def _check(player: Player, statement: Statement, last_hash: str) -> None:
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


def _as_heard(said: Statement, health: JsonObject | None) -> Statement:
    """What was sounded into a file that nobody hears was missed."""
    if said.outcome != "played" or not health_view.went_into_a_file(health, said.sink):
        return said
    nothing: dict[str, Any] = {"started_at": None, "ended_at": None, "start_error_ms": None}
    return replace(said, outcome="missed", reason=reasons.NO_CARD, **nothing)


def _store(session: Session, player: Player, statement: Statement) -> None:
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
    if not _enter(session, player, statement):
        log.warning("a receipt that changes nothing", player=player.id, seq=statement.seq)
        after_restore.notice_receipt(session, player, statement.play_id, statement.scheduled_at)


def _enter(session: Session, player: Player, statement: Statement) -> bool:
    """Let play or round say what it proves; False when it speaks of none of this player's."""
    if statement.play_id > OVERRIDE_IDS:
        return override_receipts.enter(session, player, statement)
    play = session.get(Play, statement.play_id, with_for_update=True)
    if play is None or play.area_code != player.area_code or player.approved_at is None:
        return False
    is_same = statement.revision in (None, play.revision)  # a revision may have moved it
    if is_same and after_restore.is_another(statement.scheduled_at, play.starts_at):
        return False
    if _apply(play, statement):
        outbox.emit(session, "play.changed", play_id=play.id)
    return True


def _apply(play: Play, statement: Statement) -> bool:
    """Let the play say what the receipt proves; returns whether that is news."""
    if statement.outcome == "missed":
        is_open = play.state in ("planned", "published")
        unexplained = play.state == "missed" and play.reason in reasons.GUESSED
        if not (is_open or unexplained):
            return False
        if play.reason != reasons.VILLAGE_QUIET:
            play.reason = statement.reason or reasons.NOT_SAID
        play.state = "missed"
        return True
    if play.state == "played":
        earlier = statement.started_at is not None and (
            play.started_at is None or statement.started_at < play.started_at
        )
        if not earlier:
            return False
    elif play.reason == reasons.VILLAGE_QUIET:
        play.reason = reasons.PLAYED_THOUGH_QUIET
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
