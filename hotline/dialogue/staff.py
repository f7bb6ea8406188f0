"""Staff prove who they are: a number of six digits and a PIN of six."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hotline import limits
from hotline.dialogue import keyed
from hotline.dialogue.state import (
    Dialogue,
    Goal,
    Phase,
    State,
    Step,
    enter,
    entrance,
    hushed,
    say_and_go,
    speak,
    stay,
)
from hotline.played import Sound
from hotline.steps import Answered, AskOffice, Consent, Event, StaffProved, TimedOut, Wait


@entrance(State.STAFF_NUMBER)
def ask_number(now: Dialogue) -> Step:
    return speak(now, State.STAFF_NUMBER, "staff_number")


def hear_number(now: Dialogue, event: Event) -> Step:
    return keyed.collect(now, event, limits.STAFF_DIGITS, _number_keyed, _again)


def _number_keyed(now: Dialogue, number: str) -> Step:
    return hushed(speak(replace(now, reference=number), State.STAFF_PIN, "staff_pin"))


def hear_pin(now: Dialogue, event: Event) -> Step:
    if now.phase is not Phase.ASKING:
        return keyed.collect(now, event, limits.STAFF_DIGITS, _pin_keyed, _again)
    match event:
        case Answered(dict(answer)):
            return _answered(replace(now, phase=Phase.SPEAKING), answer)
        case Answered() | TimedOut():
            return say_and_go(now, "office_away", "office_away", "farewell")
    return stay(now)


def _again(now: Dialogue, *before: Sound) -> Step:
    now = replace(now, tries=now.tries + 1)
    if now.tries >= limits.NUMBER_TRIES:
        return say_and_go(now, "staff_refused", *before, "farewell")
    return hushed(speak(now, State.STAFF_NUMBER, *before, "staff_number"))


def _pin_keyed(now: Dialogue, pin: str) -> Step:
    purpose = now.goal.value
    question = AskOffice("staff", {"staff_no": now.reference, "pin": pin, "purpose": purpose})
    asking = replace(now, phase=Phase.ASKING, reference="")
    return hushed((asking, (question, Wait(limits.ANSWER_LIMIT_S))))


def _answered(now: Dialogue, answer: dict[str, Any]) -> Step:
    if answer.get("locked"):
        return say_and_go(now, "locked", "locked", "farewell")
    user_id = answer.get("user_id")
    if not answer.get("found") or not isinstance(user_id, int):
        return _again(now, "staff_refused")
    programme_id = answer.get("programme_id")
    proved = StaffProved(user_id, programme_id if isinstance(programme_id, int) else None)
    now = replace(now, user_id=user_id)
    if now.goal is Goal.STUDIO:
        return enter(now, State.RECORD, proved, Consent("key", confidential=False))
    if now.goal is Goal.LIVE:
        places, quiet_places = _codes(answer, "villages"), _codes(answer, "quiet")
        now = replace(now, places=places, quiet_places=quiet_places)
        return enter(now, State.LIVE_PLACES, proved)
    place = answer.get("village_code")
    village = place if place in now.facts.directory.villages else None
    quiet = bool(answer.get("quiet_until"))
    now = replace(now, village=village, before=("quiet_on",) if quiet else ())
    return enter(now, State.QUIET, proved)


def _codes(answer: dict[str, Any], name: str) -> tuple[str, ...]:
    codes = answer.get(name)
    return tuple(code for code in codes if isinstance(code, str)) if isinstance(codes, list) else ()
