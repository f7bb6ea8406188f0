"""Which horn is dumb: since when a player should have been heard and was not. Pure rules.

A village for which nothing was planned is not dumb, and what was left out on purpose accuses no
horn. Of a player that cannot be reached nobody knows what it sounds: it may play what it holds
and tell later, so only what was due before its last word counts, or what it told itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

GRACE = timedelta(minutes=3)
"""For the way of a receipt: players ask once a minute when nothing wakes them."""

EXCUSES = frozenset(
    {
        "village_quiet", "played_though_quiet", "no_episode", "no_player", "not_planned",
        "not_approved", "quiet_hours", "quiet_switch", "too_long", "overlap", "preempted",
        "withdrawn",
    }
)  # fmt: skip
"""Reasons for a silence that is not the horn's fault."""


@dataclass(frozen=True)
class Due:
    """Something a player was to sound. ``told``: the player itself said what came of it.

    ``reason``: the player's, else the server's.
    """

    starts_at: datetime
    duration_ms: int
    sounded: bool
    told: bool
    reason: str | None = None

    @property
    def is_excused(self) -> bool:
        return self.reason in EXCUSES

    @property
    def over_at(self) -> datetime:
        """By then there should be word of it."""
        return self.starts_at + timedelta(milliseconds=self.duration_ms) + GRACE


def silent_since(
    due: Iterable[Due], last_sounded_at: datetime | None, known_until: datetime | None
) -> datetime | None:
    """Start of the first play that should have been heard after the last that was, or None.

    ``known_until``: the instant up to which the player's silence says something: now while it is
    in contact, else when it was last heard of; None: it was never heard of.
    """
    everything = list(due)
    heard = [each.starts_at for each in everything if each.sounded]
    last = max([*heard, *([last_sounded_at] if last_sounded_at else [])], default=None)
    missing = [
        each.starts_at
        for each in everything
        if not each.sounded
        and not each.is_excused
        and (last is None or each.starts_at > last)
        and (each.told or (known_until is not None and each.over_at <= known_until))
    ]
    return min(missing, default=None)
