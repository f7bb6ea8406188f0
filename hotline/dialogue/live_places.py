"""A live address by telephone: which of the own villages it is for."""

from __future__ import annotations

from dataclasses import replace

from hotline import limits
from hotline.call import Key
from hotline.dialogue import keyed
from hotline.dialogue.state import (
    Dialogue,
    Phase,
    State,
    Step,
    ask_again,
    enter,
    entrance,
    hushed,
    once_said,
    say_and_go,
    speak,
    stay,
)
from hotline.played import Sound, VillageName
from hotline.prompt_texts import number_sounds
from hotline.steps import Event, TimedOut


@entrance(State.LIVE_PLACES)
def offer(now: Dialogue, *before: Sound) -> Step:
    """Name the villages; the quiet ones are chosen by nothing but their own code."""
    now = replace(now, chosen=())
    known = (*now.places, *now.quiet_places)
    if not known:
        return say_and_go(now, "", *before, "live_none", "farewell")
    if len(known) == 1:
        return _ready(replace(now, chosen=known), *before)
    left_out = ("live_left_out", *listed(now, now.quiet_places)) if now.quiet_places else ()
    if not now.places:
        return _ask_code(now, *before, *left_out)
    names = ("live_places", *listed(now, now.places))
    return speak(now, State.LIVE_PLACES, *before, *names, *left_out, "live_choose")


def listed(now: Dialogue, codes: tuple[str, ...]) -> tuple[Sound, ...]:
    """The villages' names where they are few and all can be spoken, else how many they are."""
    if len(codes) <= limits.NAMES_SAID and all(map(now.facts.named, codes)):
        return tuple(map(VillageName, codes))
    return ("live_count", *number_sounds(str(len(codes))))


def hear(now: Dialogue, event: Event) -> Step:
    match event:
        case Key("1"):
            return hushed(_ready(replace(now, chosen=now.places, tries=0)))
        case Key("2"):
            return hushed(_ask_code(replace(now, tries=0)))
        case Key("#"):
            return stay(now)
        case Key():
            return _unclear(now)
        case TimedOut() if now.phase is Phase.WAITING:
            return _unclear(now)
    return once_said(now, event, limits.CHOICE_WAIT_S)


def _unclear(now: Dialogue) -> Step:
    return ask_again(now, "live_choose")


def _ask_code(now: Dialogue, *before: Sound) -> Step:
    return speak(now, State.LIVE_CODE, *before, "live_code")


def hear_code(now: Dialogue, event: Event) -> Step:
    """Codes add up; the hash key or silence ends them, the star key begins anew."""
    silent = isinstance(event, TimedOut) and now.phase is Phase.WAITING
    if now.chosen and not now.keyed and (silent or event == Key("#")):
        return hushed(_ready(replace(now, tries=0)))
    if event == Key("#") and not now.keyed:
        return _anew(now)
    return keyed.collect(now, event, limits.POSTER_DIGITS, _code_keyed, _anew)


def _code_keyed(now: Dialogue, digits: str) -> Step:
    found = now.facts.directory.by_poster_code(digits)
    known = {*now.places, *now.quiet_places}
    if found is None or found.code not in known:
        return _once_more(now, "village_unknown")
    chosen = tuple(dict.fromkeys((*now.chosen, found.code)))
    now = replace(now, chosen=chosen, repeats=now.repeats + 1)
    if len(chosen) == len(known) or now.repeats >= limits.LIVE_CODES:
        return hushed(_ready(replace(now, tries=0)))
    return hushed(speak(now, State.LIVE_CODE, *now.facts.name_of(found.code), "live_next"))


def _anew(now: Dialogue) -> Step:
    return _once_more(replace(now, chosen=()))


def _once_more(now: Dialogue, *before: Sound) -> Step:
    now = replace(now, tries=now.tries + 1)
    if now.tries >= limits.NUMBER_TRIES:
        return say_and_go(now, "nothing_chosen", *before, "farewell")
    return hushed(_ask_code(now, *before))


def _ready(now: Dialogue, *before: Sound) -> Step:
    quiet = ("quiet_on",) if set(now.chosen) & set(now.quiet_places) else ()
    names = listed(now, now.chosen)
    return speak(now, State.LIVE_READY, *before, "live_to", *names, *quiet, "live_ready")


def hear_ready(now: Dialogue, event: Event) -> Step:
    match event:
        case Key("1"):
            return enter(now, State.LIVE)
        case Key("#"):
            return stay(now)
        case Key():
            return _not_ready(now)
        case TimedOut() if now.phase is Phase.WAITING:
            return _not_ready(now)
    return once_said(now, event, limits.CHOICE_WAIT_S)


def _not_ready(now: Dialogue) -> Step:
    """Nobody goes on air by silence."""
    return ask_again(now, "live_ready")
