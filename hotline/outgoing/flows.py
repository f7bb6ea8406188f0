"""What the hotline calls out for, step by step: a bridge, a person. Duty phones: ``duty``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hotline import directory
from hotline.call import Call
from hotline.outgoing import legs
from hotline.outgoing.contract import CONTACT_AT_LEAST_MS, Leg, Result
from hotline.outgoing.errand import Errand
from hotline.prompt_texts import PAUSE

SEARCH_LIMIT_S = 180.0
"""Nobody waits longer than this for the next telephone to ring: a call-back is better."""
HOLD = ("out_hold", *[PAUSE] * 10)
HOLD_FOR_RESIDENT = ("out_hold", "out_machine", *[PAUSE] * 10)


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
    if left == "unjoined":
        await errand.part_kindly(None, [second, first], voice.say("out_unjoined"))
        return "nobody"
    await errand.part_kindly(left, [first, second], voice.say("out_over"))
    return "joined"


async def human(
    errand: Errand, voice: Voice, caller: Call, village_code: str | None, phones: Sequence[Leg]
) -> tuple[Result, Call | None]:
    """Ring one after the other, for three minutes; whoever presses 1 speaks with the caller.

    The caller's call stays the conversation's: it is neither told goodbye nor hung up here. Also
    returned is who of two that spoke hung up first. A caller who gives up just as somebody presses
    1 has spoken with nobody.
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
        if left == "unjoined":
            await errand.part_kindly(None, [call], voice.say("out_unjoined"))
            return "nobody", None
        await errand.part_kindly(left, [call], voice.say("out_over"))
        if left is caller and errand.outcome.talked_ms < CONTACT_AT_LEAST_MS:
            return "caller_gone", None
        return "joined", left
    return errand.unanswered(), None
