"""The benchmark sees wake-ups that are never sent, players that stay away, and a slow broker."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import fanout
from benchmarks.fanout import Found

GOOD = Found(
    players=3,
    woken_ms=[10.0, 12.0, 15.0],
    fetched_ms=[40.0, 44.0, 60.0],
    answered_ms=[80.0, 90.0, 120.0],
    confirm_ms=[5.0],
    reconnect_s=3.0,
    polling_all_s=55.0,
)


def test_good_figures_meet_the_targets() -> None:
    found = fanout.judge({"own": GOOD, "mosquitto": GOOD}, 60.0, 20_000)
    assert found["met"]
    assert found["figures"]["own_answered_p99_ms"] == 120.0
    assert found["figures"]["answered_p50_to_mosquitto"] == 1.0


@pytest.mark.parametrize(
    "bad",
    [
        replace(GOOD, lost=1),
        replace(GOOD, not_back=1),
        replace(GOOD, lost_polling=1),
        replace(GOOD, polling_all_s=91.0),
        replace(GOOD, answered_ms=[200.0, 210.0, 220.0]),
        replace(GOOD, answered_ms=[]),
        replace(GOOD, reconnect_s=14.0),
    ],
)
def test_what_is_lost_late_or_slow_misses_a_target(bad: Found) -> None:
    assert not fanout.judge({"own": bad, "mosquitto": GOOD}, 60.0, 20_000)["met"]


def test_a_slow_return_misses_its_target_even_when_the_peer_is_slow_too() -> None:
    slow = replace(GOOD, reconnect_s=16.0)
    assert not fanout.judge({"own": slow, "mosquitto": slow}, 60.0, 20_000)["met"]


def test_a_run_on_a_busy_machine_proves_nothing() -> None:
    found = fanout.judge({"own": GOOD, "mosquitto": GOOD}, 60.0, 20_000, invalid="busy")
    assert not found["met"]


@pytest.mark.slow
def test_a_waker_that_tells_nobody_loses_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "LOST_AFTER_S", 5.0)
    monkeypatch.setattr(fanout, "LOOKS_S", 0.0)
    found = fanout.measure(
        "own", players=3, rounds=1, poll_s=2.0, web=("-m", "tests.benchmarks.sabotaged_web")
    )
    assert found.lost >= 3
    assert not fanout.judge({"own": found, "mosquitto": GOOD}, 2.0, 20_000)["met"]
