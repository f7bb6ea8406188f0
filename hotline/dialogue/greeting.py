"""The greeting: the danger sentence, and what a key leads to."""

from __future__ import annotations

from dataclasses import replace

from hotline import limits
from hotline.call import Key
from hotline.dialogue.state import (
    Dialogue,
    Goal,
    Phase,
    State,
    Step,
    enter,
    hushed,
    once_said,
    say_and_go,
    speak,
)
from hotline.played import LanguageOffer
from hotline.steps import Event, OnBehalf, TimedOut, UseLanguage, Wants


def greet(now: Dialogue) -> Step:
    """The first words of a call, and again after a change of the language."""
    other = _next_language(now)
    offer = (LanguageOffer(other),) if other != now.language else ()
    return speak(now, State.GREETING, "greeting", "menu", "menu_more", *offer)


def hear(now: Dialogue, event: Event) -> Step:
    if isinstance(event, Key):
        return _chosen(now, event.digit)
    if isinstance(event, TimedOut) and now.phase is Phase.WAITING:
        return _again(now)
    return once_said(now, event, limits.GREETING_WAIT_S)


def _chosen(now: Dialogue, digit: str) -> Step:
    match digit:
        case "1":
            return enter(now, State.CONSENT)
        case "2":
            return enter(now, State.STATUS_NUMBER, Wants("status"))
        case "3":
            return enter(replace(now, goal=Goal.NEWS), State.VILLAGE, Wants("news"))
        case "4":
            return enter(replace(now, on_behalf=True), State.CONSENT, OnBehalf())
        case "5":
            return enter(now, State.FRAUD)
        case "0":
            return enter(now, State.HUMAN)
        case "7":
            return enter(replace(now, goal=Goal.STUDIO), State.STAFF_NUMBER, Wants("studio"))
        case "8":
            return enter(replace(now, goal=Goal.QUIET), State.STAFF_NUMBER, Wants("quiet"))
        case "9" if now.facts.streams:
            return enter(replace(now, goal=Goal.LIVE), State.STAFF_NUMBER, Wants("live"))
        case "9":
            return say_and_go(now, "", "live_not_here", "farewell")
        case "*" if now.language_switches < limits.LANGUAGE_SWITCHES:
            return _other_language(now)
    return _again(now)


def _again(now: Dialogue) -> Step:
    now = replace(now, tries=now.tries + 1)
    if now.tries >= limits.GREETING_TRIES:
        return enter(now, State.CONSENT)
    return hushed(speak(now, State.GREETING, "menu", "menu_more"))


def _next_language(now: Dialogue) -> str:
    languages = now.facts.languages
    at = languages.index(now.language) if now.language in languages else 0
    return languages[(at + 1) % len(languages)]


def _other_language(now: Dialogue) -> Step:
    language = _next_language(now)
    switched = replace(now, language=language, language_switches=now.language_switches + 1)
    after, actions = hushed(greet(switched))
    return after, (UseLanguage(language), *actions)
