"""The news of a village."""

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
    enter,
    entrance,
    hushed,
    once_said,
    say_and_go,
    speak,
    stay,
)
from hotline.played import Sound, VillageNews
from hotline.steps import Event, TimedOut


@entrance(State.NEWS)
def play(now: Dialogue) -> Step:
    village = now.facts.directory.villages.get(now.village or "")
    if village is None or not village.news:
        return speak(now, State.NEWS, "news_none", "news_end")
    sounds: list[Sound] = [*now.facts.name_of(village.code), VillageNews(village.code), "news_end"]
    return speak(now, State.NEWS, *sounds, limit_s=limits.LONG_SOUND_LIMIT_S * len(village.news))


def hear(now: Dialogue, event: Event) -> Step:
    match event:
        case Key("1"):
            return enter(now, State.CONSENT)
        case Key("0"):
            return enter(now, State.HUMAN)
        case Key("3") if now.repeats < limits.CHOICE_TRIES:
            return hushed(play(replace(now, repeats=now.repeats + 1)))
        case Key("#") if now.phase is Phase.WAITING:
            return stay(now)
        case Key():
            return _unclear(now)
        case TimedOut() if now.phase is Phase.WAITING:
            return say_and_go(now, "", "farewell")
    return once_said(now, event, limits.CHOICE_WAIT_S)


def _unclear(now: Dialogue) -> Step:
    """Any other key ends the news and tells what can be pressed."""
    return ask_again(now, "news_end", cause="")
