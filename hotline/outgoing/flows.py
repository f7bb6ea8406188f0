"""The three things the hotline calls out for, step by step: a bridge, a person, the duty phone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hotline import directory
from hotline.call import Call
from hotline.outgoing import legs
from hotline.outgoing.contract import Leg, Result
from hotline.outgoing.errand import Errand
from hotline.prompt_texts import PAUSE

DUTY_ROUNDS = 3
ROUND_PAUSE_S = 5.0
SEARCH_LIMIT_S = 180.0
"""Nobody waits longer than this for the next telephone to ring: a call-back is better."""
CALLER_TRIES = 3
CALLER_PAUSE_S = 10.0
HOLD = ("out_hold", *[PAUSE] * 10)
HOLD_FOR_RESIDENT = ("out_hold", "out_machine", *[PAUSE] * 10)
Pause = Callable[[float], Awaitable[None]]


class Spoken(Protocol):
    """Prompts as hotline.prompts makes them."""

    def sounds(self, ids: tuple[str, ...]) -> list[Path]: ...


@dataclass(frozen=True)
class Voice:
    """What is said to people we call."""

    prompts: Spoken
    known: directory.Reader

    def say(self, *ids: str) -> list[Path]:
        return self.prompts.sounds(ids)

    def with_place(
        self, village_code: str | None, before: tuple[str, ...], after: tuple[str, ...] = ()
    ) -> list[Path]:
        """``before``, the village's spoken name when there is one, ``after``."""
        village = self.known.current().villages.get(village_code or "")
        place: list[Path] = []
        if village is not None and village.sound is not None:
            sound = self.known.sound(village.sound)
            place = [*self.say("out_place"), sound] if sound.is_file() else []
        return [*self.say(*before), *place, *self.say(*after)]


async def bridge(errand: Errand, voice: Voice, staff: Leg, resident: Leg) -> Result:
    """Ring the one who works here, demand key 1, ring the resident, join them.

    The resident presses nothing: who works here hears whether a machine speaks, and says so.
    """
    asked = await errand.ring_and_ask(staff, voice.say("out_bridge_staff"), "1")
    if asked is None:
        return errand.unanswered()
    first, _ = asked
    ringing = errand.ring_and_say(resident, voice.say("out_bridge_resident"))
    second = await legs.while_there(first, ringing, voice.say(*HOLD_FOR_RESIDENT))
    if second == "gone":
        await errand.hang_up(first, "gone")
        return "nobody"
    if second is None:
        await errand.part_kindly(None, [first], voice.say("out_nobody"))
        return "nobody"
    left = await errand.talk_unless_machine(first, second)
    if left == "machine":
        await errand.hang_up(second, "machine")
        await errand.part_kindly(None, [first], voice.say("out_nobody"))
        return "nobody"
    await errand.part_kindly(left, [first, second], voice.say("out_over"))
    return "joined"


async def human(
    errand: Errand, voice: Voice, caller: Call, village_code: str | None, phones: Sequence[Leg]
) -> tuple[Result, Call | None]:
    """Ring one after the other, for three minutes; whoever presses 1 speaks with the caller.

    The caller's call stays the conversation's: it is neither told goodbye nor hung up here. Also
    returned is who of two that spoke hung up first.
    """
    announcement = voice.with_place(village_code, ("out_human_staff",))
    until_s = time.monotonic() + SEARCH_LIMIT_S
    for number, phone in enumerate(phones):
        if number and time.monotonic() >= until_s:
            break
        asked = await legs.while_there(caller, errand.ring_and_ask(phone, announcement, "1"))
        if asked == "gone":
            return "caller_gone", None
        if asked is None:
            continue
        call, _ = asked
        left = await errand.talk(caller, call)
        await errand.part_kindly(left, [call], voice.say("out_over"))
        return "joined", left
    return errand.unanswered(), None


async def duty(
    errand: Errand,
    voice: Voice,
    phones: Sequence[Leg],
    *,
    caller: Leg | None,
    village_code: str | None,
    pause: Pause = asyncio.sleep,
) -> Result:
    """Ring the duty phones in turn, three rounds at most, until somebody takes it."""
    choice = "out_duty_choice" if caller else "out_duty_choice_one"
    announcement = voice.with_place(village_code, ("out_duty_staff",), (choice,))
    for round_no in range(DUTY_ROUNDS):
        if round_no:
            await pause(ROUND_PAUSE_S)
        for phone in phones:
            asked = await errand.ring_and_ask(phone, announcement, "12" if caller else "1")
            if asked is None:
                continue
            officer, key = asked
            if key == "2" and caller is not None:
                return await _connect(errand, voice, officer, caller, pause)
            await errand.part_kindly(None, [officer], voice.say("out_duty_taken"))
            return "taken"
        if not phones:
            break
    return errand.unanswered()


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
    await errand.part_kindly(left, [officer, found], voice.say("out_over"))
    return "joined"


async def _reach(errand: Errand, voice: Voice, caller: Leg, pause: Pause) -> Call | None:
    for attempt in range(CALLER_TRIES):
        if attempt:
            await pause(CALLER_PAUSE_S)
        call = await errand.ring_and_say(caller, voice.say("out_bridge_resident"))
        if call is not None:
            return call
        if errand.outcome.attempts[-1].cause != "busy":
            return None
    return None
