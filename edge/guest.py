"""Sound that is no play: somebody speaks live, and has the air while the ladder allows it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from edge import ladder
from edge.plan import Limits, Sounding
from edge.player import Loudness
from edge.sinks import Sink


class Guest(Protocol):
    """Whoever speaks."""

    @property
    def priority(self) -> int:
        """Its step of the ladder."""
        ...

    def wants_air(self) -> bool:
        """Whether there is something to sound."""
        ...

    def begin(self, sink: Sink, loudness: Loudness) -> None:
        """The air is yours; must not block."""
        ...

    def holds_air(self) -> bool:
        """Whether the sink is busy with it, also against our will."""
        ...

    def hangs(self) -> bool:
        """Whether the sink still has it long after it was cut."""
        ...

    def cut(self, reason: str) -> None:
        """Fall silent, and return when that is so, or soon when the sink does not let go."""
        ...

    def stop(self) -> None:
        """The box ends: fall silent and come back no more."""
        ...


class Host:
    """Knows whether the guest sounds."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self._sounds = False

    @property
    def sounding(self) -> Sounding | None:
        """The guest on air, as the plan sees it."""
        return Sounding(0, self.guest.priority) if self._sounds else None

    def comes_in(self, now: datetime, limits: Limits, on_air: Sounding | None) -> Guest | None:
        """The guest to whom the air is to be given now.

        One that may no longer have it is sent away first.
        """
        guest = self.guest
        wants = guest.wants_air()
        if wants and not ladder.sounds_always(guest.priority):
            quiet = limits.quiet is not None and limits.quiet.touches(now, now)
            wants = not quiet and not limits.switched_quiet
        if self._sounds and not wants:
            self.cut("quiet_switch" if limits.switched_quiet else "over")
        elif self._sounds and not guest.holds_air():
            self._sounds = False  # the sink gave up; the guest tries again when it wants to
            wants = guest.wants_air()
        if self._sounds or not wants:
            return None
        if on_air is not None and not ladder.interrupts(guest.priority, on_air.priority):
            return None
        return guest

    @property
    def is_stuck(self) -> bool:
        """Whether the guest was cut and the sink does not let go of it."""
        return not self._sounds and self.guest.holds_air()

    @property
    def hangs(self) -> bool:
        """Whether that has been so for long."""
        return self.is_stuck and self.guest.hangs()

    def begin(self, guest: Guest, sink: Sink, loudness: Loudness) -> None:
        """Let it sound."""
        guest.begin(sink, loudness)
        self._sounds = True

    def cut(self, reason: str) -> None:
        """Silence the guest, if it sounds."""
        if self._sounds:
            self.guest.cut(reason)
        self._sounds = False

    def close(self) -> None:
        """The box ends."""
        self._sounds = False
        self.guest.stop()
