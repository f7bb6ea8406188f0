"""What happens in the week of faults: plays, kills, the cut link, and how fast the clock goes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

ZONE = "Asia/Shanghai"
PLAY_S = 5
NEAR = (-6.0, PLAY_S + 4.0)
"""Seconds around the start of a play in which most kills fall."""


@dataclass(frozen=True)
class Scenario:
    """One run. Seconds are those of the fast clock, except ``tick_s``.

    ``slow_before_s`` and ``slow_after_s``: around the start of a play the clock goes like ours;
    then ``make_up_gear`` times as fast while plays may be made up, else ``idle_gear`` times.
    """

    villages: int
    days: int
    times: tuple[time, ...]
    server_kills: int
    broker_kills: int
    player_kills: int
    cut: tuple[timedelta, timedelta] | None  # since midnight of the first day
    make_up_minutes: int = 30
    slow_before_s: float = 15.0
    slow_after_s: float = 15.0
    make_up_gear: float = 120.0
    idle_gear: float = 3600.0
    seed: int = 5
    tick_s: float = 0.1

    @property
    def kills(self) -> int:
        """All kill -9 of the run."""
        return self.server_kills + self.broker_kills + self.player_kills

    def starts(self, first: date) -> list[datetime]:
        """When something is planned to sound, in every village."""
        zone = ZoneInfo(ZONE)
        return [
            datetime.combine(first + timedelta(days=day), at, zone)
            for day in range(self.days)
            for at in sorted(self.times)
        ]


WEEK = Scenario(
    villages=24,
    days=7,
    times=(time(7, 0), time(12, 0), time(18, 30)),
    server_kills=12,
    broker_kills=8,
    player_kills=30,
    cut=(timedelta(days=2, hours=9), timedelta(days=2, hours=15)),
)
SHORT = Scenario(
    villages=3,
    days=1,
    times=(time(0, 10), time(0, 22), time(0, 34)),
    server_kills=1,
    broker_kills=1,
    player_kills=4,
    cut=(timedelta(minutes=16), timedelta(minutes=27)),
    make_up_minutes=8,
    slow_before_s=8.0,
    slow_after_s=11.0,
    make_up_gear=60.0,
    idle_gear=240.0,
)


@dataclass(frozen=True)
class Kill:
    """kill -9 of one process at an instant of the fast clock."""

    at: datetime
    target: str  # "web", "broker", "player-7"


def kills(scenario: Scenario, starts: Sequence[datetime]) -> list[Kill]:
    """The same for the same seed: two of three around the start of a play, the others anywhere."""
    chance = random.Random(scenario.seed)
    targets = ["web"] * scenario.server_kills + ["broker"] * scenario.broker_kills
    villages = list(range(scenario.villages))
    for number in range(scenario.player_kills):
        if number % len(villages) == 0:
            chance.shuffle(villages)
        targets.append(f"player-{villages[number % len(villages)]}")
    begin, end = starts[0] - timedelta(minutes=5), starts[-1] + timedelta(minutes=5)
    planned = []
    for number, target in enumerate(targets):
        if number % 3:
            at = chance.choice(starts) + timedelta(seconds=chance.uniform(*NEAR))
        else:
            at = begin + chance.random() * (end - begin)
        planned.append(Kill(at, target))
    return sorted(planned, key=lambda kill: (kill.at, kill.target))


def gear(now: datetime, starts: Sequence[datetime], scenario: Scenario) -> float:
    """How many times as fast as ours the clock goes at ``now``."""
    found = scenario.idle_gear
    for start in starts:
        since_s = (now - start).total_seconds()
        if -scenario.slow_before_s <= since_s <= scenario.slow_after_s:
            return 1.0
        if 0 < since_s <= scenario.make_up_minutes * 60:
            found = scenario.make_up_gear
    return found


def leap(
    now: datetime, passed_s: float, starts: Sequence[datetime], scenario: Scenario
) -> timedelta:
    """How far to set the clock forward after ``passed_s`` of our seconds; never into a slow part
    that it has not reached yet."""
    factor = gear(now, starts, scenario)
    ahead = timedelta(seconds=passed_s * (factor - 1))
    for start in starts:
        slow_from = start - timedelta(seconds=scenario.slow_before_s)
        if now < slow_from:
            ahead = min(ahead, slow_from - now)
    return max(timedelta(0), ahead)
