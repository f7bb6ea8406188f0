"""Where an announcement that was called off may still be repeated: nobody could tell the box."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import override_plays
from broadcast.models import Override, Player


def villages(session: Session, found: Override, codes: Collection[str]) -> set[str]:
    """Of ``codes``, those with a player that fetched its list while this was on air, none since.

    Empty once even the last round would be over.
    """
    if None in (found.cancelled_at, found.confirmed_at) or override_plays.is_over(found):
        return set()
    held = sa.select(Player.area_code).where(
        Player.area_code.in_(codes),
        Player.revoked_at.is_(None),
        Player.approved_at.is_not(None),
        Player.manifest_at >= found.confirmed_at,
        Player.manifest_at < found.cancelled_at,
    )
    return set(session.scalars(held))
