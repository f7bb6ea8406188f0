"""The duty phones ring for somebody who was just cheated of money, until one of them takes it.

Where all calls share one line, the caller's own call holds it: no telephone can ring before that
call is over. So what counts is whether a telephone rang, not whether it was tried.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from hotline.call import Call
from hotline.outgoing import legs
from hotline.outgoing.contract import NOT_THROUGH, SOONEST_RING_S, Leg, Result
from hotline.outgoing.errand import Errand
from hotline.outgoing.flows import HOLD, Voice

RINGS_EACH = 3
ROUND_PAUSE_S = 5.0
LINE_PAUSE_S = 10.0
"""Between two rounds in which no telephone rang."""
AFTER_CALL_S = 180.0
"""A line that is not free so long after the caller has left is no longer waited for."""
LINE_LIMIT_S = 1800.0
CALLER_TRIES = 3
CALLER_PAUSE_S = 10.0
Pause = Callable[[float], Awaitable[None]]


@dataclass(frozen=True)
class Line:
    """What there is to know of the way out. ``caller_is_there`` may look at the disk."""

    has_road: Callable[[str], bool]
    caller_is_there: Callable[[], bool]
    pause: Pause = asyncio.sleep
    monotonic_s: Callable[[], float] = time.monotonic


class _Patience:
    """How long the line is waited for."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._begun_s = self._caller_there_s = line.monotonic_s()

    async def is_over(self) -> bool:
        now_s = self._line.monotonic_s()
        if await asyncio.to_thread(self._line.caller_is_there):
            self._caller_there_s = now_s
        alone_s, all_s = now_s - self._caller_there_s, now_s - self._begun_s
        return alone_s >= AFTER_CALL_S or all_s >= LINE_LIMIT_S


async def ring(
    errand: Errand,
    voice: Voice,
    phones: Sequence[Leg],
    line: Line,
    *,
    caller: Leg | None,
    village_code: str | None,
) -> Result:
    """Ring ``phones`` in turn until somebody takes it, each three times at most.

    A phone that could not be made to ring is tried on until the line is no longer waited for.
    """
    choice = "out_duty_choice" if caller else "out_duty_choice_one"
    announcement = voice.with_place(village_code, ("out_duty_staff",), (choice,))
    rings, left = dict.fromkeys(phones, 0), list(phones)
    patience = _Patience(line)
    while left:
        before = sum(rings.values())
        for phone in left:
            begun_s = line.monotonic_s()
            asked = await errand.ring_and_ask(phone, announcement, "12" if caller else "1")
            if asked is not None:
                return await _taken(errand, voice, asked, caller, line.pause)
            rings[phone] += _rang(errand, phone, line.monotonic_s() - begun_s)
        any_rang = sum(rings.values()) > before
        is_over = await patience.is_over()
        left = [one for one in left if rings[one] < RINGS_EACH and line.has_road(one.number)]
        if is_over and not any_rang:
            break
        if left:
            await line.pause(ROUND_PAUSE_S if any_rang else LINE_PAUSE_S)
    return errand.unanswered()


def _rang(errand: Errand, phone: Leg, took_s: float) -> bool:
    """Whether the phone tried last really rang, or was busy as a person is."""
    attempt = errand.last_attempt(phone)
    cause = attempt.cause if attempt is not None else ""
    if cause in ("busy", "refused", "no_answer"):
        return took_s >= SOONEST_RING_S
    return cause not in NOT_THROUGH


async def _taken(
    errand: Errand, voice: Voice, asked: tuple[Call, str], caller: Leg | None, pause: Pause
) -> Result:
    officer, key = asked
    if key == "2" and caller is not None:
        return await _connect(errand, voice, officer, caller, pause)
    await errand.part_kindly(None, [officer], voice.say("out_duty_taken"))
    return "taken"


async def _connect(
    errand: Errand, voice: Voice, officer: Call, caller: Leg, pause: Pause
) -> Result:
    """The caller may still be speaking to the hotline: busy is tried again while one waits."""
    found = await legs.while_there(officer, _reach(errand, voice, caller, pause), voice.say(*HOLD))
    if found == "gone":
        await errand.hang_up(officer, "gone")
        return "taken"
    if found is None:
        await errand.part_kindly(None, [officer], voice.say("out_duty_unreached"))
        return "taken"
    left = await errand.talk(officer, found)
    if left == "unjoined":
        await errand.part_kindly(None, [found], voice.say("out_unjoined"))
        await errand.part_kindly(None, [officer], voice.say("out_duty_unreached"))
        return "taken"
    await errand.part_kindly(left, [officer, found], voice.say("out_over"))
    return "joined"


async def _reach(errand: Errand, voice: Voice, caller: Leg, pause: Pause) -> Call | None:
    for attempt in range(CALLER_TRIES):
        if attempt:
            await pause(CALLER_PAUSE_S)
        call = await errand.ring_and_say(caller, voice.say("out_bridge_resident"))
        if call is not None:
            return call
        met = errand.last_attempt(caller)
        if met is None or met.cause != "busy":
            return None
    return None
