"""What becomes of a take: hand it in, hear it, say it again, add to it."""

from __future__ import annotations

from dataclasses import replace

from hotline import limits
from hotline.call import Key
from hotline.dialogue import record
from hotline.dialogue.state import (
    Dialogue,
    Goal,
    Phase,
    State,
    Step,
    enter,
    entrance,
    hushed,
    once_said,
    say_and_go,
    speak,
    stay,
)
from hotline.played import OwnTake
from hotline.steps import Event, Submit, TimedOut


@entrance(State.REVIEW)
def offer(now: Dialogue) -> Step:
    return speak(replace(now, before=()), State.REVIEW, *now.before, _menu(now))


def _menu(now: Dialogue) -> str:
    kind = "studio" if now.goal is Goal.STUDIO else "review"
    if now.take > limits.TAKES:
        return f"{kind}_full"
    return "studio_review" if kind == "studio" else "review"


def hear(now: Dialogue, event: Event) -> Step:
    more = now.take <= limits.TAKES
    match event:
        case Key("1"):
            return _hand_in(now)
        case Key("2"):
            return _listen(now)
        case Key("3") if more:
            return record.once_more(replace(now, anew=True, silent_takes=0), "record_again")
        case Key("4") if more:
            return record.once_more(replace(now, silent_takes=0), "record_more")
        case Key("0") if now.goal is Goal.REPORT:
            return enter(now, State.HUMAN)
        case Key("#"):  # pressed twice at the end of the take
            return stay(now)
        case Key():
            return _unclear(now)
        case TimedOut() if now.phase is Phase.WAITING:
            return _silence(now)
    return once_said(now, event, limits.CHOICE_WAIT_S)


def _hand_in(now: Dialogue) -> Step:
    if now.goal is Goal.STUDIO:
        after, actions = say_and_go(now, "", "studio_submitted")
        return after, (Submit(), *actions)
    return enter(now, State.REFERENCE)


def _silence(now: Dialogue) -> Step:
    """A report is handed in by waiting; a programme never is."""
    return _unclear(now) if now.goal is Goal.STUDIO else _hand_in(now)


def _unclear(now: Dialogue) -> Step:
    now = replace(now, tries=now.tries + 1)
    if now.tries < limits.CHOICE_TRIES:
        return hushed(speak(now, State.REVIEW, _menu(now)))
    if now.goal is Goal.STUDIO:
        return say_and_go(now, "not_submitted", "not_submitted")
    return _hand_in(now)


def _listen(now: Dialogue) -> Step:
    now = replace(now, repeats=now.repeats + 1)
    if now.repeats > limits.CHOICE_TRIES:
        return _unclear(now)
    takes = (OwnTake(number) for number in now.counted)
    limit_s = limits.PROMPT_LIMIT_S + now.counted_ms / 1000
    return hushed(speak(now, State.REVIEW, *takes, _menu(now), limit_s=limit_s))
