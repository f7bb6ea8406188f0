"""A driver of outgoing calls without a telephone: each number has a script."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hotline.call import CallEvent, Undialled
from tests.hotline.fake_call import FakeCall, Move


@dataclass(frozen=True)
class Stay:
    """Says and presses nothing until whoever waits for an event stops waiting."""


@dataclass(frozen=True)
class Until:
    """Does nothing until ``condition`` holds, then makes the next move."""

    condition: Callable[[], bool]


@dataclass(frozen=True)
class RingsOn:
    """Nobody lifts the receiver; the ringing lasts until it is cancelled."""


@dataclass(frozen=True)
class After:
    """It rings so long before the network tells why nobody answers."""

    seconds: float
    answer: Undialled


class FakeLeg(FakeCall):
    """A FakeCall that can also hold the line: at ``Stay`` its next event never comes."""

    async def next_event(self, timeout_s: float | None) -> CallEvent | None:
        assert timeout_s is not None, "every wait has an end"
        await asyncio.sleep(0)
        if not self._queue:
            move: Any = next(self._moves, None)
            if isinstance(move, Stay):
                await asyncio.Event().wait()
            if isinstance(move, Until):
                while not move.condition():
                    await asyncio.sleep(0.005)
                move = next(self._moves, None)
            if move is not None:
                self._move(move)
            elif self.joined is not None or self.ended:
                await asyncio.Event().wait()
        return await super().next_event(timeout_s)


def leg(*moves: Move | Stay | Until) -> FakeLeg:
    return FakeLeg(moves)  # type: ignore[arg-type]


Reaction = FakeLeg | Undialled | RingsOn | After


@dataclass
class FakeDriver:
    """Fulfils ``hotline.call.Driver``. ``reactions``: what each ringing of a number meets.

    Time is the script's: a phone that nobody answers rings for all of ``ring_s``, and that passes
    at once. All else takes no time, as a line that is in use is told at once.
    """

    reactions: dict[str, list[Reaction]] = field(default_factory=lambda: defaultdict(list))
    dialled: list[tuple[str, float]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    line_is_free: Callable[[], bool] = lambda: True
    """While it is not, whatever is dialled is busy and no phone rings."""
    now_s: float = 0.0
    rung_at_s: list[tuple[float, str]] = field(default_factory=list)
    """When which phone really rang."""

    @property
    def numbers(self) -> list[str]:
        return [number for number, _ in self.dialled]

    async def dial(self, number: str, *, ring_s: float) -> FakeCall | Undialled:
        self.dialled.append((number, ring_s))
        if not self.line_is_free():
            return "busy"
        self.rung_at_s.append((self.now_s, number))
        waiting = self.reactions.get(number)
        reaction = waiting.pop(0) if waiting else "no_answer"
        try:
            for _ in range(5):
                await asyncio.sleep(0)
            if isinstance(reaction, RingsOn):
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.append(number)
            raise
        if isinstance(reaction, FakeLeg):
            await reaction.answer()
            return reaction
        assert not isinstance(reaction, RingsOn)
        if isinstance(reaction, After):
            self.now_s += reaction.seconds
            return reaction.answer
        if reaction == "no_answer":
            self.now_s += ring_s
        return reaction
