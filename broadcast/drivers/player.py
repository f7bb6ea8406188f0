"""Loudspeakers behind a village player: it fetches, keeps time and proves by itself."""

from __future__ import annotations

from sqlalchemy.orm import Session

from broadcast import manifest, presence
from broadcast.models import Player, Speaker


class PlayerDriver:
    """The signed manifest is the handing over; the waker's message only hastens it."""

    name = "player"

    def hand_over(self, session: Session, speaker: Speaker) -> None:
        """Issue the village's manifest; its players fetch it within a minute, woken sooner."""
        manifest.build(session, speaker.area_code)

    def is_online(self, session: Session, speaker: Speaker) -> bool:
        """Whether its player is connected or asked moments ago."""
        player = session.get(Player, speaker.player_id) if speaker.player_id else None
        return player is not None and presence.is_online(player)
