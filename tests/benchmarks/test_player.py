"""The benchmark of a player's cost sees a heavy player, and one that does not do its work."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from benchmarks import harness, player, village_web
from benchmarks.harness import Figure
from tests.counterparts import require

GOOD: dict[str, Figure] = {
    "playing_rss_mb": 70.0,
    "playing_cpu_percent": 2.0,
    "idle_cpu_percent": 0.3,
    "idle_polls_a_minute": 0.92,
    "idle_reports_a_minute": 1.85,
    "idle_connected": 1,
    "playing_polls_a_minute": 0.92,
    "playing_reports_a_minute": 1.85,
    "playing_connected": 1,
    "proved_plays": 1,
}
BAD: dict[str, Figure] = {
    "playing_rss_mb": 80.0,
    "playing_cpu_percent": 5.0,
    "idle_cpu_percent": 1.0,
    "idle_polls_a_minute": 0.0,
    "idle_reports_a_minute": 0.92,
    "idle_connected": 0,
    "playing_polls_a_minute": 0.0,
    "playing_reports_a_minute": 0.92,
    "playing_connected": 0,
    "proved_plays": 0,
}


def test_a_light_player_that_does_its_work_meets_every_target() -> None:
    assert harness.missed(GOOD, player.TARGETS) == []


@pytest.mark.parametrize("name", BAD)
def test_each_target_can_be_missed(name: str) -> None:
    assert harness.missed(GOOD | {name: BAD[name]}, player.TARGETS) == [name]


def test_answers_to_players_are_written_down_and_others_are_not(tmp_path: Path) -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 304})
        await send({"type": "http.response.body", "body": b""})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    counted = village_web.counted(app, tmp_path / "answers")
    for path in ("/edge/v1/manifest", "/cases"):
        asyncio.run(counted({"type": "http", "method": "GET", "path": path}, None, send))
    assert (tmp_path / "answers").read_text() == "GET /edge/v1/manifest 304\n"
    assert len(sent) == 4


@pytest.mark.slow
@pytest.mark.real("pulseaudio")
@pytest.mark.timeout(600)
def test_a_heavy_player_without_its_lines_misses_the_targets_that_say_so() -> None:
    require("pulseaudio")
    figures, invalid = player.measure(
        10.0, ("-m", "tests.benchmarks.sabotaged_player"), "poll_s = 2\nhealth_s = 2\n"
    )
    assert invalid is None, invalid
    assert set(harness.missed(figures, player.TARGETS)) == {
        "playing_rss_mb",
        "playing_cpu_percent",
        "idle_cpu_percent",
        "idle_polls_a_minute",
        "idle_connected",
        "playing_polls_a_minute",
        "playing_connected",
    }, figures
