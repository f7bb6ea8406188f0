"""A live address by telephone: on air until somebody ends it."""

from __future__ import annotations

from dataclasses import replace

from hotline import limits
from hotline.call import HungUp, Key
from hotline.dialogue import live_places
from hotline.dialogue.live_places import listed
from hotline.dialogue.state import (
    Dialogue,
    Phase,
    State,
    Step,
    end,
    entrance,
    hushed,
    prompt_over,
    say_and_go,
    speak,
    stay,
)
from hotline.played import FileSound, Sound
from hotline.steps import (
    Answered,
    EndLive,
    Event,
    GoLive,
    LetThrough,
    LiveTold,
    Say,
    TimedOut,
    Wait,
)

_ENDS = {"#": "keyed", "*": "hard_stop"}
"""# lets the last words be said; * silences even those."""
_OVER = {
    "keyed": "live_over",
    "hard_stop": "live_over",
    "stopped": "live_stopped",
    "silence": "live_silence",
    "limit": "live_limit",
}
_HUNG_UP = {"hangup": "hung_up", "limit": "limit"}
"""Causes of a call's end in the words of a live session; others are a broken connection."""


@entrance(State.LIVE)
def go(now: Dialogue) -> Step:
    """Call the villages. Nothing of the caller goes out before the beep."""
    opening = replace(now, state=State.LIVE, phase=Phase.ASKING)
    asking = GoLive(now.user_id, now.chosen)
    return opening, (Say(("live_calling",)), asking, Wait(limits.ANSWER_LIMIT_S))


def hear(now: Dialogue, event: Event) -> Step:
    if now.phase is Phase.ASKING:
        return _answered(now, event)
    match event:
        case LiveTold("over"):
            return _over(now, event)
        case Key("#" | "*" as key) if now.phase is not Phase.STOPPING:
            return _end(now, _ENDS[key])
    match now.phase:
        case Phase.SPEAKING:
            return _called(now, event)
        case Phase.BEEP:
            return _cued(now, event)
        case Phase.STOPPING:
            return _over(now, LiveTold("over", "keyed")) if event == TimedOut() else stay(now)
    return _end(now, "limit") if event == TimedOut() else stay(now)


def _answered(now: Dialogue, event: Event) -> Step:
    match event:
        case Answered({"opened": True}):
            return replace(now, phase=Phase.SPEAKING), (Wait(limits.LIVE_CALL_S),)
        case Answered({"error": "somebody_speaks", "village_code": str(code), **more}):
            return _busy(now, code, more.get("speaker"))
        case Answered() | TimedOut():
            left, actions = say_and_go(now, "office_away", "live_failed", "farewell")
            return left, (EndLive("connection"), *actions)
    return stay(now)


def _busy(now: Dialogue, code: str, speaker: object) -> Step:
    """Tell who speaks where; what is left may be chosen. ``speaker``: path of a sound."""
    who: tuple[Sound, ...] = ("live_busy", FileSound(speaker)) if isinstance(speaker, str) else ()
    told = (*who, "live_busy_in", *now.facts.name_of(code))
    places = tuple(place for place in now.places if place != code)
    quiet = tuple(place for place in now.quiet_places if place != code)
    if (places, quiet) == (now.places, now.quiet_places):
        return say_and_go(now, "busy", *told, "farewell")
    return hushed(live_places.offer(replace(now, places=places, quiet_places=quiet), *told))


def _called(now: Dialogue, event: Event) -> Step:
    """The horns are being called: the cue comes when the first have chimed."""
    match event:
        case LiveTold("go", hearing=hearing):
            none_yet = () if hearing else ("live_none_yet",)
            return _cue(now, *none_yet)
        case TimedOut():
            return _cue(now)
    return stay(now)


def _cue(now: Dialogue, *before: Sound) -> Step:
    cue = (*before, "live_now", "beep")
    return hushed(speak(now, State.LIVE, *cue, phase=Phase.BEEP))


def _cued(now: Dialogue, event: Event) -> Step:
    if not prompt_over(event):
        return stay(now)
    return replace(now, phase=Phase.ON_AIR), (LetThrough(), Wait(limits.LIVE_LIMIT_S))


def _end(now: Dialogue, cause: str) -> Step:
    ending = replace(now, phase=Phase.STOPPING)
    return hushed((ending, (EndLive(cause), Wait(limits.LIVE_END_S))))


def _over(now: Dialogue, told: LiveTold) -> Step:
    """Say why it is over and who did not hear it."""
    missing = ("live_missing", *listed(now, told.missing)) if told.missing else ()
    said = _OVER.get(told.cause, "live_broken")
    left, actions = say_and_go(now, "", said, *missing, "farewell")
    return left, (EndLive(told.cause), *actions)


def hung_up(now: Dialogue, event: HungUp) -> Step:
    """The line is dead: what was said until then is still heard.

    Hanging up is how people end a call, often in the middle of their last word; who wants to cut
    off what is on its way presses the star key.
    """
    ended, actions = end(now, now.cause or event.cause)
    return ended, (EndLive(_HUNG_UP.get(event.cause, "connection")), *actions)
