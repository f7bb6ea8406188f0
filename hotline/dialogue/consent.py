"""The consent, and the road of somebody who was just cheated of money."""

from __future__ import annotations

from dataclasses import replace

from hotline import limits
from hotline.call import Key, SpeechHeard
from hotline.dialogue import record, village
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
    promise_and_go,
    prompt_over,
    speak,
    stay,
)
from hotline.steps import Consent, Event, Listen, TimedOut, Urgent, Wants


@entrance(State.CONSENT)
def ask(now: Dialogue) -> Step:
    step, actions = speak(replace(now, goal=Goal.REPORT), State.CONSENT, "consent", "beep")
    return step, (Wants("report"), *actions)


def hear(now: Dialogue, event: Event) -> Step:
    waiting = now.phase is Phase.WAITING
    match event:
        case Key("1" | "2" as digit):
            return enter(now, State.VILLAGE, Consent("key", confidential=digit == "2"))
        case Key("9"):
            return promise_and_go(now, "declined", "declined")
        case Key("0"):
            return enter(now, State.HUMAN)
        case Key("5"):
            return enter(now, State.FRAUD)
        case SpeechHeard() if waiting:
            now, known = village.from_line(now)
            recording, actions = record.begin(now, keep_heard=True)
            return recording, (Consent("speech", confidential=False), *actions, *known)
        case Key():
            return _ask_again(now)
        case TimedOut() if waiting:
            return _ask_again(now)
    return once_said(now, event, limits.CONSENT_WAIT_S, Listen())


def _ask_again(now: Dialogue) -> Step:
    now = replace(now, tries=now.tries + 1)
    if now.tries >= limits.CONSENT_TRIES:
        return promise_and_go(now, "no_consent", "no_consent")
    return hushed(speak(now, State.CONSENT, "consent", "beep"))


@entrance(State.FRAUD)
def warn(now: Dialogue) -> Step:
    now, known = village.from_line(replace(now, urgent=True, goal=Goal.REPORT))
    told, actions = speak(now, State.FRAUD, "fraud")
    return told, (Wants("report"), *known, Urgent("fraud", now.village), *actions)


def hear_fraud(now: Dialogue, event: Event) -> Step:
    """The announcement cannot be skipped: staying on the line after it is the consent."""
    if prompt_over(event):
        told, actions = speak(now, State.RECORD, "beep", phase=Phase.BEEP)
        return told, (Consent("key", confidential=False), *actions)
    return stay(now)
