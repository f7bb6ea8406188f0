"""Which village it is about: the line dialled, the caller's last village, the poster's code."""

from __future__ import annotations

from dataclasses import replace

from hotline import limits
from hotline.call import Key
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
    once_said,
    speak,
    stay,
)
from hotline.played import Sound, VillageName
from hotline.steps import Action, Answered, AskOffice, Event, SetVillage, TimedOut, Wait


def from_line(now: Dialogue) -> tuple[Dialogue, tuple[Action, ...]]:
    """The village of the number dialled, taken without asking."""
    code = now.facts.line_village
    if code is None:
        return now, ()
    return replace(now, village=code), (SetVillage(code, "line"),)


@entrance(State.VILLAGE)
def find(now: Dialogue) -> Step:
    if not now.facts.directory.villages:
        return _go_on(now)
    line = now.facts.line_village
    if line is not None:
        return _propose(now, line, "line")
    if now.facts.number_known and not now.on_behalf:
        asking = replace(now, state=State.VILLAGE, phase=Phase.ASKING)
        return asking, (AskOffice("village_of"), Wait(limits.ANSWER_LIMIT_S))
    return ask_code(now)


def _propose(now: Dialogue, code: str, source: str) -> Step:
    """Ask whether it is this village; for news, and where it has no spoken name, take it."""
    if now.goal is Goal.NEWS or not now.facts.named(code):
        return _settle(now, code, source)
    now = replace(now, candidate=code, candidate_source=source)
    return speak(now, State.VILLAGE, "village_is", VillageName(code), "village_right")


def hear(now: Dialogue, event: Event) -> Step:
    if now.phase is Phase.ASKING:
        return _answered(now, event)
    match event:
        case Key("1") if now.candidate is not None:
            return _settle(now, now.candidate, now.candidate_source)
        case Key("2"):
            return hushed(ask_code(replace(now, tries=0)))
        case Key("0"):
            return enter(now, State.HUMAN)
        case Key("#"):
            return _unsaid(now)
        case Key():
            return _unclear(now)
        case TimedOut() if now.phase is Phase.WAITING:
            return _unclear(now)
    return once_said(now, event, limits.CHOICE_WAIT_S)


def _answered(now: Dialogue, event: Event) -> Step:
    match event:
        case Answered({"village_code": str(last)}) if last in now.facts.directory.villages:
            if now.goal is Goal.NEWS or now.facts.named(last):
                return _propose(now, last, "last")
            return ask_code(now)
        case Answered() | TimedOut():
            return ask_code(now)
    return stay(now)


def _unclear(now: Dialogue) -> Step:
    now = replace(now, tries=now.tries + 1)
    if now.candidate is None or now.tries >= limits.VILLAGE_TRIES:
        return _unsaid(now)
    name = VillageName(now.candidate)
    return hushed(speak(now, State.VILLAGE, "village_is", name, "village_right"))


def _unsaid(now: Dialogue) -> Step:
    """Neither yes nor no: the number dialled is believed, the caller's last village is not."""
    if now.candidate is not None and now.candidate_source == "line":
        return _settle(now, now.candidate, "line")
    return _unknown(now)


def has_codes(now: Dialogue) -> bool:
    """Whether any village is known by the code of its posters."""
    return any(known.poster_code for known in now.facts.directory.villages.values())


def ask_code(now: Dialogue, *before: Sound) -> Step:
    """Let the caller key the code; where no village has one, the village stays unknown."""
    if not has_codes(now):
        return _unknown(now)
    return speak(now, State.VILLAGE_CODE, *before, "village_code")


def hear_code(now: Dialogue, event: Event) -> Step:
    if event == Key("#") and not now.keyed:
        return _unknown(now)
    return keyed.collect(now, event, limits.POSTER_DIGITS, _code_keyed, _code_again)


def _code_keyed(now: Dialogue, code: str) -> Step:
    found = now.facts.directory.by_poster_code(code)
    if found is None:
        return _once_more(now, "village_unknown")
    return _settle(now, found.code, "code")


def _code_again(now: Dialogue) -> Step:
    return _once_more(now)


def _once_more(now: Dialogue, *before: Sound) -> Step:
    now = replace(now, tries=now.tries + 1)
    if now.tries >= limits.VILLAGE_TRIES:
        return _unknown(now)
    return hushed(ask_code(now, *before))


def _settle(now: Dialogue, code: str, source: str) -> Step:
    return _go_on(replace(now, village=code), SetVillage(code, source))


def _unknown(now: Dialogue) -> Step:
    """The operator sets it."""
    return _go_on(now)


def _go_on(now: Dialogue, *known: Action) -> Step:
    return enter(now, State.NEWS if now.goal is Goal.NEWS else State.RECORD, *known)
