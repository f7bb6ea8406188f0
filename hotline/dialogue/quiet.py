"""The village head's quiet button."""

from __future__ import annotations

from dataclasses import replace

from hotline import limits
from hotline.call import Key
from hotline.dialogue.state import (
    Dialogue,
    Phase,
    State,
    Step,
    ask_again,
    entrance,
    hushed,
    once_said,
    say_and_go,
    speak,
    stay,
)
from hotline.steps import Answered, AskOffice, Event, TimedOut, Wait

_HOURS = {"1": 1, "2": 12, "3": 0}
_SAID = {"1": "quiet_hour", "2": "quiet_morning", "3": "quiet_lifted"}


@entrance(State.QUIET)
def offer(now: Dialogue) -> Step:
    name = now.facts.name_of(now.village)
    return speak(replace(now, before=()), State.QUIET, *name, *now.before, "quiet_menu")


def hear(now: Dialogue, event: Event) -> Step:
    if now.phase is Phase.ASKING:
        return _answered(now, event)
    match event:
        case Key("1" | "2" | "3" as digit):
            details = {"user_id": now.user_id, "hours": _HOURS[digit]}
            asking = replace(now, phase=Phase.ASKING, before=(_SAID[digit],))
            question = AskOffice("quiet", details)
            return hushed((asking, (question, Wait(limits.ANSWER_LIMIT_S))))
        case Key("#"):
            return stay(now)
        case Key():
            return _unclear(now)
        case TimedOut() if now.phase is Phase.WAITING:
            return _unclear(now)
    return once_said(now, event, limits.CHOICE_WAIT_S)


def _unclear(now: Dialogue) -> Step:
    return ask_again(now, "quiet_menu")


def _answered(now: Dialogue, event: Event) -> Step:
    match event:
        case Answered(dict(answer)) if answer.get("done"):
            return say_and_go(now, "", *now.before, "farewell")
        case Answered() | TimedOut():
            return say_and_go(now, "office_away", "quiet_failed", "farewell")
    return stay(now)
