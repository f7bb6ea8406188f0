"""How a report stands: number and PIN, the answer, and "I am not satisfied"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from hotline import limits
from hotline.call import Key, SpeechHeard
from hotline.dialogue import keyed, record
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
    say_and_go,
    speak,
    stay,
)
from hotline.played import FileSound, Sound
from hotline.prompt_texts import TEXTS, date_sounds
from hotline.steps import (
    AboutReport,
    Answered,
    AskOffice,
    Consent,
    Event,
    Listen,
    NotSatisfied,
    PromiseCallBack,
    TimedOut,
    Wait,
)

_REFUSALS = {
    "owed": "state_rejected",
    "told": "state_rejected_told",
    "no_content": "state_no_content",
}
"""What is said of a refusal, by how the telling of it stands (hotline.refusals)."""
_OBJECTED = {
    "reopened": ("dissatisfied", "goodbye"),
    "appealed": ("objected_appealed", "goodbye"),
    "reminded": ("objected_reminded", "farewell"),
    "repeated": ("objected_repeated", "farewell"),
}
"""What came of key 1, and the last words after it: a reminder promises no call.

Nor is a call promised to who shows no number: see ``_ask_why``.
"""


@entrance(State.STATUS_NUMBER)
def ask_number(now: Dialogue) -> Step:
    return speak(now, State.STATUS_NUMBER, "status_number")


def hear_number(now: Dialogue, event: Event) -> Step:
    if now.phase is Phase.ASKING:
        return _by_caller(now, event)
    return keyed.collect(now, event, limits.REFERENCE_DIGITS, _number_keyed, _again)


def _number_keyed(now: Dialogue, number: str) -> Step:
    """A known number is tried first; the office decides whether it is proof enough."""
    now = replace(now, reference=number, pin="")
    return hushed(_ask(now)) if now.facts.number_known else hushed(_ask_pin(now))


def _ask(now: Dialogue) -> Step:
    counted = bool(now.pin) and now.facts.number_known
    details = {"reference": now.reference, "pin": now.pin, "counted": counted}
    question = AskOffice("status", details)
    return replace(now, phase=Phase.ASKING), (question, Wait(limits.ANSWER_LIMIT_S))


def _by_caller(now: Dialogue, event: Event) -> Step:
    match event:
        case Answered(dict(answer)) if not answer.get("found") and not answer.get("locked"):
            return _ask_pin(now)
    return _answered(now, event)


def _ask_pin(now: Dialogue) -> Step:
    return speak(now, State.STATUS_PIN, "status_pin")


def hear_pin(now: Dialogue, event: Event) -> Step:
    if now.phase is Phase.ASKING:
        return _answered(now, event)
    return keyed.collect(now, event, limits.PIN_DIGITS, _pin_keyed, _again)


def _pin_keyed(now: Dialogue, pin: str) -> Step:
    return hushed(_ask(replace(now, pin=pin)))


def _again(now: Dialogue, *before: Sound) -> Step:
    now = replace(now, tries=now.tries + 1, reference="", pin="")
    if now.tries >= limits.NUMBER_TRIES:
        return enter(now, State.HUMAN)
    return hushed(speak(now, State.STATUS_NUMBER, *before, "status_number"))


def _answered(now: Dialogue, event: Event) -> Step:
    match event:
        case Answered(dict(answer)):
            now = replace(now, phase=Phase.SPEAKING)
            if answer.get("locked"):
                return promise_and_go(now, "locked", "locked")
            return _tell(now, answer) if answer.get("found") else _again(now, "not_found")
        case Answered() | TimedOut():
            return promise_and_go(now, "office_away", "office_away")
    return stay(now)


def _tell(now: Dialogue, answer: Mapping[str, Any]) -> Step:
    """First a word that no key interrupts: somebody may still be keying digits."""
    reopens, objection = bool(answer.get("may_reopen")), _objection(answer)
    now = replace(now, progress=_progress(answer), reopens=reopens, objection=objection)
    now = replace(now, tries=0, repeats=0)
    told, actions = hushed(speak(now, State.STATUS_TOLD, "found", phase=Phase.BEEP))
    return told, (AboutReport(now.reference), *actions)


def _progress(answer: Mapping[str, Any]) -> tuple[Sound, ...]:
    sounds: list[Sound] = [_stand(answer)]
    try:
        due = date.fromisoformat(str(answer.get("due")))
        sounds += ["due", *date_sounds(due.month, due.day)]
    except ValueError:
        pass
    reply = answer.get("reply")
    return (*sounds, "reply", FileSound(reply)) if isinstance(reply, str) else tuple(sounds)


def _stand(answer: Mapping[str, Any]) -> str:
    """The sentence that tells how the report stands; of a refusal only what is true is promised."""
    case = f"status_{answer.get('status')}"
    if case in TEXTS:
        return case
    if answer.get("state") == "rejected":
        return _REFUSALS.get(str(answer.get("refusal")), "state_rejected_ask")
    report = f"state_{answer.get('state')}"
    return report if report in TEXTS else "state_accepted"


def _objection(answer: Mapping[str, Any]) -> str:
    """The words for key 1: against a refusal, against a result, or to remind."""
    if answer.get("state") == "rejected":
        return "appeal_choice"
    return "not_satisfied" if answer.get("decided", True) else "remind_choice"


def _choice(now: Dialogue) -> str:
    return now.objection if now.reopens else "status_choice"


def hear_told(now: Dialogue, event: Event) -> Step:
    if now.phase is Phase.BEEP:
        return _say_progress(now) if prompt_over(event) else stay(now)
    if now.phase is Phase.ASKING:
        return _objected(now, event)
    match event:
        case Key("1") if now.reopens:
            return _not_satisfied(now)
        case Key("2") if now.repeats < limits.CHOICE_TRIES:
            return hushed(_say_progress(replace(now, repeats=now.repeats + 1)))
        case Key("0"):
            return enter(now, State.HUMAN)
        case Key("#") if now.phase is Phase.WAITING:
            return stay(now)
        case Key():
            return _unclear(now)
        case TimedOut() if now.phase is Phase.WAITING:
            return say_and_go(now, "", "farewell")
    return once_said(now, event, limits.CHOICE_WAIT_S)


def _say_progress(now: Dialogue) -> Step:
    sounds = (*now.progress, _choice(now))
    return speak(now, State.STATUS_TOLD, *sounds, limit_s=limits.LONG_SOUND_LIMIT_S)


def _unclear(now: Dialogue) -> Step:
    now = replace(now, tries=now.tries + 1)
    if now.tries >= limits.CHOICE_TRIES:
        return say_and_go(now, "", "farewell")
    return hushed(speak(now, State.STATUS_TOLD, _choice(now)))


def _not_satisfied(now: Dialogue) -> Step:
    """Written down before anybody is asked: the journal brings it when the office is away."""
    question = AskOffice("not_satisfied", {"reference": now.reference, "pin": now.pin})
    asking = replace(now, phase=Phase.ASKING)
    return hushed((asking, (NotSatisfied(), question, Wait(limits.ANSWER_LIMIT_S))))


def _objected(now: Dialogue, event: Event) -> Step:
    match event:
        case Answered(dict(answer)) if answer.get("done"):
            outcome = str(answer.get("outcome"))
            return _ask_why(now, *_OBJECTED.get(outcome, ("dissatisfied_later", "farewell")))
        case Answered({"outcome": "too_late"}):
            return _promise_and_ask_why(now, "objected_too_late")
        case Answered() | TimedOut():
            return _promise_and_ask_why(now, "dissatisfied_later")
    return stay(now)


def _promise_and_ask_why(now: Dialogue, said: str) -> Step:
    asked, actions = _ask_why(now, said, "goodbye")
    return asked, (PromiseCallBack(), *actions)


def _ask_why(now: Dialogue, said: str, last_words: str) -> Step:
    if not now.facts.number_known:
        last_words = "farewell"
    asking = replace(now, goal=Goal.WHY, last_words=last_words)
    return speak(asking, State.WHY, said, "why", "beep")


def hear_why(now: Dialogue, event: Event) -> Step:
    """Recorded is who speaks after the beep; silence and keys are no consent."""
    match event:
        case SpeechHeard() if now.phase is Phase.WAITING:
            recording, actions = record.begin(now, keep_heard=True)
            return recording, (Consent("speech", confidential=False), *actions)
        case TimedOut() if now.phase is Phase.WAITING:
            return say_and_go(now, "", now.last_words)
        case Key("0"):
            return enter(now, State.HUMAN)
        case Key("#"):
            return say_and_go(now, "", now.last_words)
    return once_said(now, event, limits.CONSENT_WAIT_S, Listen())
