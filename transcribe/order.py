"""Who goes first: pure rules of the queue, and of a short sound that passes a long one.

Urgent before ordinary; among equals by ``due_rank``: the time of asking, pushed back by the
sound's length. So a short message never waits for a long one that was asked for with it, and
whatever is asked for later than ``PUSH_BACK`` times a sound's length comes after that sound.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

PUSH_BACK = 4
"""A sound of ten minutes lets shorter ones of the next forty minutes go first, then no more."""

SUSPECT_MS = 600_000
"""A sound that broke a decoder stands back for its next try as one of ten minutes does."""

SHORTER_BY = 4
"""A sound at work is put aside for one of a quarter of its length, not for one nearly as long."""

MOST_PAUSED = 3
FREE_PAUSE_MS = 5_000
"""A sound at work is put aside for at most three times as long as it worked, and five seconds:
with the last one that passes, it keeps about a quarter of its decoder's time or more."""

CPU_HEADROOM = (10, 40)
"""First and second try get so many times what decoding a sound of its length takes as measured;
noise can be a hundred times slower, so the third try gets all that is allowed."""

LEAST_CPU_S = 1.0
UNKNOWN_PACE = 0.2
"""A model nobody measured yet is taken to need so much of a sound's length: a first try of twice
that length, and a third one of all that is allowed should it be slower."""


@dataclass(frozen=True)
class Standing:
    """What decides a sound's place. ``duration_ms``: None where nobody knows it."""

    priority: int
    due_rank: datetime
    duration_ms: int | None
    job_id: int

    @property
    def place(self) -> tuple[int, datetime, int]:
        """The smaller goes first."""
        return -self.priority, self.due_rank, self.job_id


def due_rank(asked_at: datetime, duration_ms: int | None) -> datetime:
    """Where a sound stands among equals; one of unknown length as the shortest does."""
    return asked_at + timedelta(milliseconds=PUSH_BACK * (duration_ms or 0))


def suspect_rank(failed_at: datetime, duration_ms: int | None) -> datetime:
    """Where a sound stands after it broke a decoder: behind what has not, but not for ever."""
    return due_rank(failed_at, max(duration_ms or 0, SUSPECT_MS))


def may_pass(at_work: Standing, other: Standing) -> bool:
    """Whether the sound at work is put aside for ``other``: an urgent one, or a short one that
    would have gone first had it been there in time."""
    if other.priority != at_work.priority:
        return other.priority > at_work.priority
    if other.duration_ms is None or at_work.duration_ms is None:
        return False
    shorter = other.duration_ms * SHORTER_BY <= at_work.duration_ms
    return shorter and other.due_rank < at_work.due_rank


def may_pause(worked_ms: float, paused_ms: float) -> bool:
    """Whether a sound that worked and was put aside for so long may be put aside once more."""
    return paused_ms <= MOST_PAUSED * worked_ms + FREE_PAUSE_MS


def cpu_limit_s(try_no: int, duration_ms: int, pace: float) -> float | None:
    """Processor time for the try (from 1), so that an endless sound costs its neighbours little.

    ``pace``: seconds of decoding per second of sound, measured. None: all that is allowed.
    """
    if try_no > len(CPU_HEADROOM):
        return None
    return CPU_HEADROOM[try_no - 1] * max(LEAST_CPU_S / CPU_HEADROOM[0], duration_ms / 1000 * pace)
