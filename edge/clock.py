"""The box's own clock: wall time, monotonic time, and how the two belong together."""

from __future__ import annotations

import ctypes
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

STEP_S = 0.1
_UNSYNCHRONISED = 0x0040  # STA_UNSYNC of adjtimex(2)
_STATUS_OFFSET_LONGS = 5


class Clock(Protocol):
    """Tells the time, in seconds."""

    def wall_s(self) -> float:
        """Seconds since 1970 in UTC; may step."""
        ...

    def mono_s(self) -> float:
        """Seconds since an unknown instant; never steps."""
        ...


class SystemClock:
    """The machine's clock."""

    def wall_s(self) -> float:
        return time.time()

    def mono_s(self) -> float:
        return time.monotonic()


def instant(wall_s: float) -> datetime:
    """Wall seconds as an aware UTC instant."""
    return datetime.fromtimestamp(wall_s, UTC)


def iso(moment: datetime) -> str:
    """``2026-06-01T00:00:00.000000Z``: fixed width, so that text sorts like time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse(text: str) -> datetime:
    """The instant of an ISO text with a zone; ValueError without one."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("an instant needs a zone")
    return moment.astimezone(UTC)


def offset_s(clock: Clock) -> float:
    """Wall minus monotonic seconds, read where the two readings lie closest together."""
    best_gap, best = float("inf"), 0.0
    for _ in range(3):
        before = clock.mono_s()
        wall = clock.wall_s()
        after = clock.mono_s()
        if after - before < best_gap:
            best_gap, best = after - before, wall - (before + after) / 2
    return best


class Timeline:
    """Wall time of monotonic instants during one play.

    Until ``freeze`` every step of the clock counts, so that the play starts by the corrected wall
    time; afterwards only changes below ``STEP_S`` do, so that a step never cuts into sound.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_s = offset_s(clock)
        self._frozen = False

    def freeze(self) -> None:
        """From now on steps are ignored."""
        self._frozen = True

    def wall_s(self, mono_s: float) -> float:
        """Wall seconds at ``mono_s``."""
        fresh = offset_s(self._clock)
        if not self._frozen or abs(fresh - self._offset_s) < STEP_S:
            self._offset_s = fresh
        return mono_s + self._offset_s


@dataclass(frozen=True)
class Discipline:
    """What the kernel knows of the clock's keeper (chrony, timesyncd, ntpd feed the same place)."""

    synchronised: bool
    max_error_ms: float
    estimated_error_ms: float


def discipline() -> Discipline | None:
    """The state of synchronisation by adjtimex(2); None where the system does not tell."""
    if os.name != "posix":
        return None
    try:
        call = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    # struct timex: modes (int, padded), offset, freq, maxerror, esterror (longs), status (int), ...
    fields = (ctypes.c_long * 64)()
    if call(ctypes.byref(fields)) < 0:
        return None
    status = fields[_STATUS_OFFSET_LONGS] & 0xFFFFFFFF
    return Discipline(not status & _UNSYNCHRONISED, fields[3] / 1000, fields[4] / 1000)


def synchronised() -> bool | None:
    """Whether something keeps the clock right; None when nobody can say."""
    found = discipline()
    return None if found is None else found.synchronised
