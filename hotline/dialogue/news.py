"""The news of a village."""

from __future__ import annotations

from dataclasses import replace

from hotline import limits
from hotline.call import Key
from hotline.dialogue import village
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
    """That there is no news is said of a village, and that it is over only of what was played."""
    if now.village is None:
        return speak(now, State.NEWS, "news_unknown", _menu(now))
    news = _news(now)
    if not news:
        return speak(now, State.NEWS, "news_none", _menu(now))
    name = now.facts.name_of(now.village)
    sounds: tuple[Sound, ...] = (*name, VillageNews(now.village), "news_over", _menu(now))
    return speak(now, State.NEWS, *sounds, limit_s=limits.NEWS_SOUND_LIMIT_S * len(news))


def _news(now: Dialogue) -> tuple[str, ...]:
    known = now.facts.directory.villages.get(now.village or "")
    return known.news if known is not None else ()


def _menu(now: Dialogue) -> str:
    """What can be pressed: 3 leads to what was heard, or to the village it is to be about."""
    if _may_key_code(now):
        return "news_code"
    return "news_choice" if _news(now) else "news_leave"


def _may_key_code(now: Dialogue) -> bool:
    more = now.code_rounds < limits.CHOICE_TRIES
    return now.village is None and more and village.has_codes(now)


def hear(now: Dialogue, event: Event) -> Step:
    match event:
        case Key("1"):
            return enter(now, State.CONSENT)
        case Key("0"):
            return enter(now, State.HUMAN)
        case Key("3") if _may_key_code(now):
            return hushed(village.ask_code(replace(now, tries=0, code_rounds=now.code_rounds + 1)))
        case Key("3") if _news(now) and now.repeats < limits.CHOICE_TRIES:
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
    return ask_again(now, _menu(now), cause="")
