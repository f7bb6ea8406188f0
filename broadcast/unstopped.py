"""Where an announcement that was called off may still be repeated: nobody could tell the box."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import override_plays
from broadcast.models import Override, Player


def villages(session: Session, found: Override, codes: Collection[str]) -> set[str]:
    """Of ``codes``, those with a player that holds a list given to it while this was on air, or was
    given one last, and has not said since that it holds a newer one.

    Empty once even the last round would be over.
    """
    if None in (found.cancelled_at, found.confirmed_at) or override_plays.is_over(found):
        return set()
    held = sa.select(Player.area_code).where(
        Player.area_code.in_(codes),
        Player.revoked_at.is_(None),
        Player.approved_at.is_not(None),
        sa.or_(_while_on_air(found, Player.held_list_at), _while_on_air(found, Player.manifest_at)),
    )
    return set(session.scalars(held))


def _while_on_air(found: Override, given_at: Any) -> sa.ColumnElement[bool]:
    return sa.and_(given_at >= found.confirmed_at, given_at < found.cancelled_at)
