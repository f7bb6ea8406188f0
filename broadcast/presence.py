"""Whether a player is in contact: one rule, for a row at hand and inside a query."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from broadcast.models import Player
from core.clock import utc_now

SEEN_COUNTS = timedelta(seconds=150)
"""Players ask once a minute and tell twice how they are."""
CONNECTED_COUNTS = timedelta(minutes=5)
"""What the broker said last is believed so long: it may not live to say that a player is gone."""


def is_online(player: Player) -> bool:
    """Connected to the broker and heard of in the last minutes, or asked by HTTPS moments ago."""
    if player.revoked_at is not None or player.last_seen_at is None:
        return False
    counts = CONNECTED_COUNTS if player.online else SEEN_COUNTS
    return utc_now() - player.last_seen_at < counts


def online() -> sa.ColumnElement[bool]:
    """The same as a condition on ``Player``; never NULL."""
    now = utc_now()
    return sa.and_(
        Player.revoked_at.is_(None),
        Player.last_seen_at.is_not(None),
        sa.or_(
            Player.last_seen_at > now - SEEN_COUNTS,
            sa.and_(Player.online, Player.last_seen_at > now - CONNECTED_COUNTS),
        ),
    )
