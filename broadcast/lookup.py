"""A player as somebody asks for it: with the right to do so, and in the own area."""

from __future__ import annotations

from sqlalchemy.orm import Session

from broadcast.models import Player
from core.auth import Actor
from core.errors import N_, NotFound


def player(
    session: Session, actor: Actor, right: str, player_id: str, *, to_change: bool = True
) -> Player:
    """The player; Forbidden without ``right``, NotFound outside the actor's area.

    ``to_change``: nobody else changes it until this transaction is over.
    """
    actor.require(right)
    found = session.get(Player, player_id, with_for_update=to_change)
    if found is None:
        raise NotFound(N_("There is no such player."))
    actor.require_area(session, found.area_code)
    return found
