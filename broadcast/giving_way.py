"""Which plays made way for something more urgent, and what became of them. Pure rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from broadcast.beside_plan import Sounded
from schedule.models import Play

ON_TIME = timedelta(seconds=2)
"""A play that began later than this after its instant was made up, not on time."""
SAID_SO = ("preempted", "overlap")
"""Reasons of a player for a play that found no room."""


@dataclass(frozen=True)
class GaveWay:
    """``fate``: lost (not heard to its end), resumed (went on afterwards), later (heard whole
    afterwards), waiting (may still be heard)."""

    at: datetime
    fate: str
    to: Sounded


def gave_way(play: Play, sounds: Iterable[Sounded], now: datetime) -> list[GaveWay]:
    """What ``play`` made way for, in the order of time; one entry for each source."""
    found: dict[tuple[str, str], GaveWay] = {}
    for at, fate, sound in _met(play, sounds, now):
        found.setdefault(sound.source, GaveWay(at, fate, sound))
    return list(found.values())


def _met(
    play: Play, sounds: Iterable[Sounded], now: datetime
) -> Iterator[tuple[datetime, str, Sounded]]:
    for sound in sorted(sounds, key=lambda each: each.started_at):
        if sound.area_code != play.area_code or sound.priority <= play.priority:
            continue
        fate = _fate(play, sound.started_at, sound.ended_at or now)
        if fate:
            yield max(sound.started_at, play.starts_at), fate, sound


def _fate(play: Play, begin: datetime, end: datetime) -> str | None:
    length = timedelta(milliseconds=play.duration_ms or 0)
    if play.state == "played" and play.started_at is not None:
        play_end = play.ended_at or play.started_at + length
        if play.started_at <= begin < play_end:
            return "resumed"
        was_late = play.started_at > play.starts_at + ON_TIME
        return "later" if was_late and begin < play.started_at and end > play.starts_at else None
    if play.state == "missed" and play.reason in SAID_SO:
        return "lost" if begin < play.make_up_until + length and end > play.starts_at else None
    if play.state == "published":
        return "waiting" if begin < play.starts_at + length and end > play.starts_at else None
    return None
