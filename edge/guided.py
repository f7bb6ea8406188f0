"""The machine's clock; or the server's, while nothing keeps the machine's and it is wrong.

A board without a battery starts in 1970 or at the hour at which it was switched off. What an answer
of the server tells is good to a second or better, which is enough for a programme; where something
keeps the clock (chrony), it is never used. A server may be wrong too: what it agreed on before
counts for more than what it says now, so a server whose clock jumps does not wake a village.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edge import clock as clocks
from edge.clock import Clock, Discipline, synchronised
from edge.told import Told

PLAINLY_WRONG_S = 30 * 86_400.0
NEAR_S = 3.0
"""Two clocks that lie nearer than this agree: the time of an answer is good to a second."""

STEADY_S = 86_400.0
"""So long a server must go on saying what contradicts the time it had agreed on before."""

AGAIN_S = 1.0
"""So long after the first answer that contradicts another one must say the same."""

PATIENCE_S = 20.0
"""So long after its start a box whose clock nobody keeps waits for the server's word."""

_SLEW = 500e-6  # nobody hears a clip that follows this
_DRIFT = 200e-6  # the worst a crystal may do
_BETTER = 0.5


@dataclass(frozen=True)
class _Lead:
    """Wall minus monotonic seconds: ``begin`` at monotonic ``since_s``, then gently to ``aim``.

    ``error_s``: how far it may lie from the server's clock, at ``since_s``.
    """

    begin: float
    aim: float
    since_s: float
    error_s: float

    def at(self, mono_s: float) -> float:
        way = self.aim - self.begin
        return self.begin + math.copysign(min(abs(way), _SLEW * (mono_s - self.since_s)), way)

    def error_at(self, mono_s: float) -> float:
        still_to_go = abs(self.aim - self.at(mono_s))
        return self.error_s + still_to_go + _DRIFT * (mono_s - self.since_s)


@dataclass(frozen=True)
class Mark:
    """Wall minus monotonic seconds as of monotonic ``at_s``."""

    ahead_s: float
    at_s: float

    def fits(self, ahead_s: float, mono_s: float) -> bool:
        """Whether a clock may have come from the one to the other by its crystal."""
        return abs(ahead_s - self.ahead_s) <= NEAR_S + _DRIFT * abs(mono_s - self.at_s)


class GuidedClock:
    """A clock that can be led. Safe for several threads: what it is led by is one object.

    ``vouched``: the time that machine and server agreed on, or that the machine's keeper held.
    ``server_offset_s``: the server's time minus the machine's, when it spoke last.
    """

    def __init__(self, clock: Clock, is_kept: Callable[[], bool | None] = synchronised) -> None:
        """``is_kept``: whether something keeps the machine's clock right."""
        self._clock = clock
        self._is_kept = is_kept
        self._lead: _Lead | None = None
        self._rival: Mark | None = None
        self._started_s = clock.mono_s()
        self.vouched: Mark | None = None
        self.server_offset_s: float | None = None

    def wall_s(self) -> float:
        """Seconds since 1970."""
        lead = self._lead
        if lead is None:
            return self._clock.wall_s()
        mono_s = self._clock.mono_s()
        return mono_s + lead.at(mono_s)

    def mono_s(self) -> float:
        """Seconds since an unknown instant."""
        return self._clock.mono_s()

    @property
    def is_led(self) -> bool:
        """Whether the server's time is used."""
        return self._lead is not None

    @property
    def is_at_odds(self) -> bool:
        """Whether the server contradicts the time it had agreed on before.

        Where it still keeps to that, it is the machine's clock that was turned.
        """
        vouched, rival = self.vouched, self._rival
        if vouched is None or rival is None:
            return False
        return not vouched.fits(rival.ahead_s, rival.at_s)

    @property
    def is_sure(self) -> bool:
        """Whether somebody vouches for the time in force: a keeper, or a server it fits."""
        if self._is_kept():
            return True
        mono_s, vouched = self._clock.mono_s(), self.vouched
        fits = vouched is not None and vouched.fits(self.wall_s() - mono_s, mono_s)
        return fits and not self._is_doubted

    @property
    def is_settled(self) -> bool:
        """Whether the time is sure, or no server said another one in the time it was given."""
        waited_s = self._clock.mono_s() - self._started_s
        return self.is_sure or (waited_s >= PATIENCE_S and not self._is_doubted)

    def lies_ahead(self, wall_s: float) -> bool:
        """Whether an instant is still to come: by the time in force, where somebody vouches for
        it, or by the server, whose own writing it may be.
        """
        latest_s = wall_s - NEAR_S
        offset_s = self.server_offset_s
        by_server = offset_s is not None and latest_s > self._clock.wall_s() + offset_s
        return by_server or (self.is_sure and latest_s > self.wall_s())

    @property
    def _is_doubted(self) -> bool:
        """Whether the next answer may set the clock."""
        return self._rival is not None and not self.is_at_odds

    def resume(self, mark: Mark | None) -> None:
        """Take up what was agreed on since the machine was switched on, before anything is decided:
        the machine's own clock may be the wrong one still.
        """
        self.vouched, mono_s = mark, self._clock.mono_s()
        if mark is None or self._is_kept() or mark.fits(self._clock.wall_s() - mono_s, mono_s):
            return
        error_s = NEAR_S + _DRIFT * abs(mono_s - mark.at_s)
        self._lead = _Lead(mark.ahead_s, mark.ahead_s, mono_s, error_s)

    def discipline(self) -> Discipline | None:
        """How sure the time is; see ``edge.clock.discipline``."""
        lead = self._lead
        if lead is None:
            return clocks.discipline()
        error_ms = lead.error_at(self._clock.mono_s()) * 1000
        return Discipline(False, error_ms, error_ms / 2)

    def signs(self) -> dict[str, Any]:
        """How sure the time is, in the words of a receipt (docs/player-protocol.md)."""
        found = self.discipline()
        return {
            "clock_synchronised": found.synchronised if found else None,
            "clock_max_error_ms": round(found.max_error_ms, 3) if found else None,
            "clock_estimated_error_ms": round(found.estimated_error_ms, 3) if found else None,
            "clock_source": "server" if self.is_led else "machine",
        }

    def heard(self, told: Told) -> None:
        """The server has told its time just now."""
        mono_s = self._clock.mono_s()
        ahead_s, own_s = told.wall_s - mono_s, self._clock.wall_s() - mono_s
        self.server_offset_s = ahead_s - own_s
        lead, off_s = self._lead, abs(ahead_s - own_s)
        if self._is_kept():
            self._lead, self.vouched = None, Mark(own_s, mono_s)
            # Told anew each time: once nothing keeps the clock, the server's day begins.
            self._rival = Mark(ahead_s, mono_s) if off_s > NEAR_S + told.error_s else None
        elif off_s <= NEAR_S:
            self._lead, self._rival, self.vouched = None, None, Mark(own_s, mono_s)
        elif lead is not None and abs(ahead_s - lead.at(mono_s)) <= NEAR_S:
            self._lead, self._rival = _drawn(lead, ahead_s, told.error_s, mono_s), None
            self.vouched = Mark(lead.at(mono_s), mono_s)
        elif told.error_s > NEAR_S and self._may_agree(told, ahead_s, own_s, mono_s):
            return  # it was long on its way: it can neither vouch for the time nor contradict it
        elif self._is_believed(ahead_s, mono_s):
            self._lead, self._rival = _Lead(ahead_s, ahead_s, mono_s, told.error_s), None
            self.vouched = Mark(ahead_s, mono_s)

    def _may_agree(self, told: Told, ahead_s: float, own_s: float, mono_s: float) -> bool:
        """Whether machine or lead lies within what an answer leaves open."""
        lead = self._lead
        known = [own_s] if lead is None else [own_s, lead.at(mono_s)]
        return any(abs(ahead_s - each) <= NEAR_S + told.error_s for each in known)

    def _is_believed(self, ahead_s: float, mono_s: float) -> bool:
        """Whether to step to what the server says."""
        vouched, rival = self.vouched, self._rival
        if vouched is None and abs(self.server_offset_s or 0.0) >= PLAINLY_WRONG_S:
            return True
        if rival is None or not rival.fits(ahead_s, mono_s):
            self._rival = Mark(ahead_s, mono_s)
            return False
        # An answer may have been on its way while the machine's clock was being set.
        needed_s = STEADY_S if self.is_at_odds else AGAIN_S
        return mono_s - rival.at_s >= needed_s

    def cannot_be_believed(self, list_over_at_s: float) -> bool:
        """Whether it stands behind the end of the list, nothing keeps it, and no server spoke.

        Then nothing could sound anyway, and calling plays missed can wait.
        """
        unheard = self.server_offset_s is None
        return unheard and self.wall_s() > list_over_at_s and not self._is_kept()


def _drawn(lead: _Lead, ahead_s: float, error_s: float, mono_s: float) -> _Lead:
    """``lead`` after another answer: what is told more exactly is followed, gently; the rest only
    where it contradicts."""
    now_s = lead.at(mono_s)
    if error_s < lead.error_at(mono_s) * _BETTER:
        return _Lead(now_s, ahead_s, mono_s, error_s)
    beyond_s = abs(ahead_s - lead.aim) - error_s
    if beyond_s <= 0:
        return lead
    return _Lead(now_s, lead.aim + math.copysign(beyond_s, ahead_s - lead.aim), mono_s, error_s)
