"""The reference number: on disk first, then read out."""

from __future__ import annotations

from dataclasses import replace

from hotline import limits
from hotline.dialogue.state import (
    Dialogue,
    Phase,
    State,
    Step,
    end,
    entrance,
    prompt_over,
    speak,
    stay,
)
from hotline.steps import (
    BindReference,
    Event,
    PromiseCallBack,
    ReferenceBound,
    SayReference,
    TimedOut,
    Wait,
)


@entrance(State.REFERENCE)
def bind(now: Dialogue) -> Step:
    """Read out the number; one that the call has already is read once more."""
    if now.bound is not None:
        return _read_out(replace(now, state=State.REFERENCE))
    binding = replace(now, state=State.REFERENCE, phase=Phase.ASKING)
    return binding, (BindReference(), Wait(limits.ANSWER_LIMIT_S))


def _read_out(now: Dialogue) -> Step:
    assert now.bound is not None
    last = "goodbye" if now.facts.number_known else "goodbye_withheld"
    reading = SayReference(*now.bound, before=now.before, after=(last,))
    return replace(now, phase=Phase.SPEAKING), (reading, Wait(limits.PROMPT_LIMIT_S))


def later(now: Dialogue) -> str:
    """What is said when there is no number yet."""
    return "reference_later" if now.facts.number_known else "reference_none"


def hear(now: Dialogue, event: Event) -> Step:
    asking = now.phase is Phase.ASKING
    match event:
        case ReferenceBound(str(number), str(pin)) if asking:
            return _read_out(replace(now, bound=(number, pin)))
        case ReferenceBound() | TimedOut() if asking:
            last = "goodbye" if now.facts.number_known else "farewell"
            spoken, actions = speak(now, State.REFERENCE, *now.before, later(now), last)
            return spoken, (PromiseCallBack(), *actions)
    if not asking and prompt_over(event):
        return end(now, now.cause or "completed")
    return stay(now)
