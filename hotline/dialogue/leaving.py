"""A person to speak to, and the last words of a call."""

from __future__ import annotations

from dataclasses import replace

from hotline import limits
from hotline.dialogue import reference
from hotline.dialogue.state import (
    Dialogue,
    Goal,
    Phase,
    State,
    Step,
    end,
    enter,
    entrance,
    promise_and_go,
    prompt_over,
    stay,
)
from hotline.steps import (
    Action,
    BindReference,
    Connect,
    Connected,
    Event,
    PromiseCallBack,
    ReferenceBound,
    Say,
    SayReference,
    TimedOut,
    Wait,
    Wants,
    WantsPerson,
)


@entrance(State.HUMAN)
def find(now: Dialogue) -> Step:
    """Who reported already, or is not satisfied, goes on having called for that.

    The wish for a person is noted beside it, for who hangs up before that. A report gets its
    number first, and is read it to the end: whoever is joined hears nothing else any more, and
    the PIN is known nowhere but in this call.
    """
    please_wait = (WantsPerson(), Say(("please_wait",)))
    if _has_reported(now) and now.bound is None:
        binding = replace(now, state=State.HUMAN, phase=Phase.ASKING)
        return binding, (*please_wait, BindReference(), Wait(limits.ANSWER_LIMIT_S))
    kind: tuple[Action, ...] = () if now.counted or now.goal is Goal.WHY else (Wants("human"),)
    return _connect(now, *kind, *please_wait)


def _has_reported(now: Dialogue) -> bool:
    return bool(now.counted) and now.goal is Goal.REPORT


def _connect(now: Dialogue, *first: Action) -> Step:
    village = now.village or now.facts.line_village
    looking = replace(now, state=State.HUMAN, phase=Phase.CONNECTING)
    return looking, (*first, Connect(village), Wait(limits.HUMAN_LIMIT_S))


def hear_human(now: Dialogue, event: Event) -> Step:
    if now.phase is Phase.ASKING:
        return _bound(now, event)
    if now.phase is Phase.SPEAKING:
        return _connect(now) if prompt_over(event) else stay(now)
    match event:
        case Connected("joined"):
            return end(now, "joined")
        case Connected("caller_gone"):
            return end(now, "hangup")
        case Connected("parted") if _has_reported(now):
            return enter(replace(now, cause="joined", before=()), State.REFERENCE)
        case Connected("parted"):
            return end(now, "joined")
        case Connected() | TimedOut() if _has_reported(now):
            now = replace(now, cause="call_back_wanted", before=("nobody",))
            return enter(now, State.REFERENCE, PromiseCallBack())
        case Connected() | TimedOut():
            return promise_and_go(now, "call_back_wanted", "nobody")
    return stay(now)


def _bound(now: Dialogue, event: Event) -> Step:
    match event:
        case ReferenceBound(str(number), str(pin)):
            reading = SayReference(number, pin, before=(), after=())
            told = replace(now, bound=(number, pin), phase=Phase.SPEAKING)
            return told, (reading, Wait(limits.PROMPT_LIMIT_S))
        case ReferenceBound() | TimedOut():
            return _connect(now, PromiseCallBack(), Say((reference.later(now),)))
    return stay(now)


def hear(now: Dialogue, event: Event) -> Step:
    return end(now, now.cause or "completed") if prompt_over(event) else stay(now)
