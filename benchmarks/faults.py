"""A week of 24 villages with 50 kill -9 and a cut link: nothing lost, doubled or unexplained.

Real server and broker processes on SQLite, one real player process for each village with a sink
paced like a sound card, one shared clock. Around a play the clock goes like ours, so the sound is
honest; between plays it goes up to 3600 times as fast. Every day each programme has a new edition.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import faults_evidence
from benchmarks.faults_judge import TARGETS, Evidence, judge
from benchmarks.faults_plan import SHORT, WEEK, Scenario
from benchmarks.faults_world import Sabotage, World
from benchmarks.harness import Figure, Result, result

ON_TIME_MS = 2_000.0


def run(quick: bool) -> Result:
    """The benchmark; some 20 minutes, ``quick`` under two."""
    return measure(SHORT if quick else WEEK)


def measure(scenario: Scenario, sabotage: Sabotage | None = None) -> Result:
    """Live through ``scenario`` and judge. ``sabotage``: done to a player's home at each kill.

    With XIANGYIN_FAULTS_FOLDER in the environment, everything stays there to be looked at.
    """
    with _folder() as folder:
        world = World(folder, scenario, sabotage)
        try:
            world.run()
            evidence = faults_evidence.gather(
                world.watch, world.database, world.homes, world.players, world.office.editions
            )
            figures = _figures(world, evidence)
        finally:
            world.close()
    plays = scenario.villages * scenario.days * len(scenario.times)
    targets = {**TARGETS, "planned": f"== {plays}", "kills": f"== {scenario.kills}"}
    return result("faults", figures, targets)


@contextmanager
def _folder() -> Iterator[Path]:
    if kept := os.environ.get("XIANGYIN_FAULTS_FOLDER"):
        yield Path(kept)
        return
    with tempfile.TemporaryDirectory(prefix="xy-faults-") as name:
        yield Path(name)


def _figures(world: World, evidence: Evidence) -> dict[str, Figure]:
    errors = faults_evidence.start_errors_ms(world.database)
    on_time = [error for error in errors if abs(error) <= ON_TIME_MS]
    kinds = Counter(kill.target.split("-")[0] for kill in world.killed)
    reasons = Counter(play.reason for play in evidence.planned if play.reason)
    shown = (world.starts[-1] - world.starts[0]).total_seconds()
    return {
        **judge(evidence),
        "kills": len(world.killed),
        **{f"kills_{kind}": count for kind, count in sorted(kinds.items())},
        "on_time": len(on_time),
        "start_error_p95_ms": _p95(on_time),
        "soundings": len(evidence.soundings),
        "soundings_cut": sum(not one.whole for one in evidence.soundings),
        "reasons": ", ".join(f"{name} {count}" for name, count in sorted(reasons.items())),
        "real_s": round(world.real_s),
        "times_as_fast": round(shown / world.real_s) if world.real_s else None,
    }


def _p95(values: list[float]) -> float | None:
    if len(values) < 2:
        return None
    return round(statistics.quantiles([abs(value) for value in values], n=20)[-1], 2)
