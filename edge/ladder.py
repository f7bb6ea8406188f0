"""Who goes before whom, and what becomes of a play that something more urgent broke off."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

EMERGENCY, DRILL, LIVE, NOTICE, PROGRAMME, MAKE_UP, FILL = 100, 95, 90, 70, 50, 40, 10

STEP_BACK_S = 1.0
"""A play that goes on repeats this much, so that the listener finds the thread again."""

Fate = Literal["resume", "restart", "skip"]


@dataclass(frozen=True)
class Paused:
    """A play that was cut and goes on later.

    ``position_s``: where in the clip it goes on. ``first_heard_at``: when its first sample was
    heard. ``silent_s``: how long it has been silent since then, before ``cut_at``.
    """

    position_s: float
    first_heard_at: datetime
    cut_at: datetime
    silent_s: float = 0.0

    def silent_until(self, resumed_at: datetime) -> float:
        """Seconds of silence in the whole play, when it goes on at ``resumed_at``."""
        return self.silent_s + max(0.0, (resumed_at - self.cut_at).total_seconds())


def interrupts(priority: int, sounding: int) -> bool:
    """Whether a play breaks off the one that sounds: only from a higher step of the ladder."""
    return priority > sounding


def sounds_always(priority: int) -> bool:
    """Whether neither quiet hours nor the quiet switch hold it back."""
    return priority >= EMERGENCY


def resume_position_s(fate: str, reached_s: float | None) -> float | None:
    """Where an interrupted play goes on; 0 is from its start, None is not at all.

    ``reached_s``: how much of the clip was heard, None when it had not begun.
    """
    if reached_s is None or fate == "restart":
        return 0.0
    if fate == "skip":
        return None
    return max(0.0, reached_s - STEP_BACK_S)
