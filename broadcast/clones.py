"""One key, two boxes: found by who speaks in turns, and by receipts beside the chain.

A box draws a ``boot_id`` at each start, so one box goes from an old one to a new one and never
back. Two boxes that were copied from each other speak in turns. Nobody can tell which of them is
the true one: the player is flagged until a person has looked.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import history, lookup
from broadcast.models import ForkedReceipt, Player
from core import audit, outbox
from core.auth import Actor
from core.clock import utc_now

KEPT_BOOTS = 12
BOOT_LENGTH = 64


def takes_turns(boot_ids: Sequence[str]) -> bool:
    """Whether two programs are alive at once: two ids came back after another had spoken.

    One that comes back once proves nothing: a last word may arrive late.
    """
    runs = [boot_id for boot_id, _ in groupby(boot_ids)]
    return len({boot_id for boot_id in runs if runs.count(boot_id) > 1}) > 1


def note_boot(session: Session, player: Player, boot_id: Any) -> None:
    """Remember which start of the program spoke; flags the player when two speak in turns."""
    if not isinstance(boot_id, str) or not boot_id:
        return
    known = list(player.boot_ids or [])
    if known and known[-1] == boot_id[:BOOT_LENGTH]:
        return
    player.boot_ids = [*known, boot_id[:BOOT_LENGTH]][-KEPT_BOOTS:]
    if takes_turns(player.boot_ids):
        flag(session, player, "boots")


def note_same_key(session: Session, player: Player) -> None:
    """Flag players that were enrolled with one and the same key."""
    twins = session.scalars(
        sa.select(Player).where(
            Player.public_key == player.public_key,
            Player.revoked_at.is_(None),
            Player.id != player.id,
        )
    ).all()
    for twin in twins:
        flag(session, twin, "key")
        flag(session, player, "key")


def flag(session: Session, player: Player, how: str) -> None:
    """``how``: boots (two programs speak in turns), receipts (two chains), key (two players)."""
    if player.cloned_at is not None:
        return
    player.cloned_at = utc_now()
    session.flush()
    history.note(session, player.id, "cloned", how)
    outbox.emit(session, "player.cloned", player_id=player.id)


def settle(session: Session, actor: Actor, player_id: str) -> Player:
    """Somebody has looked: only one box is left. Doing it twice changes nothing."""
    player = lookup.player(session, actor, "speaker.edit", player_id, to_change=False)
    if player.cloned_at is not None:
        player.cloned_at, player.boot_ids = None, None
        history.note(session, player_id, "single")
        audit.record(session, actor.login, "player.single", f"player:{player_id}")
    return player


def holds_fork(session: Session, player_id: str, receipt_hash: str) -> bool:
    """Whether this receipt is kept beside the chain."""
    found = sa.select(ForkedReceipt.id).where(
        ForkedReceipt.player_id == player_id, ForkedReceipt.hash == receipt_hash
    )
    return session.scalar(found.limit(1)) is not None


def keep_fork(session: Session, player: Player, receipt: ForkedReceipt) -> None:
    """Keep a genuine receipt whose number the chain has used otherwise, and flag the player."""
    if not holds_fork(session, player.id, receipt.hash):
        session.add(receipt)
        session.flush()
    flag(session, session.get_one(Player, player.id), "receipts")
