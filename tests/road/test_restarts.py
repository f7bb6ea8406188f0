"""Any part, and all of them, killed and started again around the moment at which a play begins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from pathlib import Path

import pytest

from benchmarks import faults_evidence
from benchmarks.faults_judge import TARGETS, judge
from benchmarks.faults_plan import PLAY_S, Kill, Scenario
from benchmarks.faults_world import World
from benchmarks.harness import missed
from tests.counterparts import require

pytestmark = [pytest.mark.slow, pytest.mark.real("faketime"), pytest.mark.timeout(600)]

EVERYTHING = ("web", "broker", "player-0", "player-1")
RESTARTS: tuple[tuple[tuple[str, ...], float], ...] = (
    (("player-0",), -1.0),  # armed, not begun
    (("web",), -0.5),
    (("broker",), 0.0),
    (EVERYTHING, 1.5),  # in the middle
    (("web",), PLAY_S + 0.2),  # the receipts are on their way
)
"""Who is killed, and when, from the start of one play each."""

MORNING = Scenario(
    villages=2,
    days=1,
    times=tuple(time(0, 10 * number) for number in range(1, len(RESTARTS) + 1)),
    server_kills=0,
    broker_kills=0,
    player_kills=0,
    cut=None,
    make_up_minutes=8,
    slow_before_s=9.0,
    slow_after_s=12.0,
    make_up_gear=30.0,
    idle_gear=120.0,
)


def restarts(starts: Sequence[datetime]) -> list[Kill]:
    return [
        Kill(start + timedelta(seconds=after_s), target)
        for start, (targets, after_s) in zip(starts, RESTARTS, strict=True)
        for target in targets
    ]


def test_restarts_around_the_start_of_a_play_neither_double_nor_drop_it(tmp_path: Path) -> None:
    require("faketime")
    world = World(tmp_path, MORNING, kills=restarts)
    try:
        world.run()
        evidence = faults_evidence.gather(
            world.watch, world.database, world.homes, world.players, world.office.editions
        )
    finally:
        world.close()
    found = judge(evidence)
    assert Counter(kill.target for kill in world.killed) == Counter(
        target for targets, _ in RESTARTS for target in targets
    )
    assert not missed(found, TARGETS), found
    assert found["played"] == found["planned"] == 2 * len(RESTARTS), world.notes
