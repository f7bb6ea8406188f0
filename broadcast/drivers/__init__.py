"""How a play reaches a loudspeaker: one driver per kind, all with the same contract."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy.orm import Session

from broadcast.models import Speaker


class Driver(Protocol):
    """One kind of loudspeaker. ``name`` is what the column ``speaker.driver`` holds."""

    name: str

    def hand_over(self, session: Session, speaker: Speaker) -> None:
        """See to it that the speaker sounds the plays of its village at their times.

        Called when they changed; may be called again at any time. Raises Unavailable when trying
        again can help. What became of a play is told by receipts, never by this call.
        """
        ...

    def is_online(self, session: Session, speaker: Speaker) -> bool:
        """Whether the speaker answers at present."""
        ...
