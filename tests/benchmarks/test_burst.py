"""The benchmark sees lost messages, poison that takes others along, and an unfair order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import burst, burst_sounds
from benchmarks.burst import TARGETS, Ended
from benchmarks.burst_sounds import Message
from benchmarks.harness import missed
from transcribe import order

SHORT, LONG = (Message(Path("x.wav"), duration_ms, None) for duration_ms in (10_000, 180_000))
BAD = replace(SHORT, poison="crash")


def ended(short_s: float = 2.0, last_s: float = 10.0) -> list[Ended]:
    return [
        *[Ended(SHORT, "done", None, True, short_s)] * 9,
        Ended(LONG, "done", None, True, last_s),
    ]


def runs(**changed: list[Ended]) -> dict[str, list[Ended]]:
    poisoned = [*ended(), Ended(BAD, "failed", "decoder_crashed", False, 30.0)]
    plain = {"clean": ended(), "clean_again": ended(), "faulty": poisoned, "fifo": ended(8.0)}
    return {**plain, **changed}


def test_good_figures_meet_the_targets() -> None:
    found = burst.judge(runs(), TARGETS)
    assert found["met"]
    assert found["figures"]["goodput_faulty_to_clean"] == 1.0
    assert found["figures"]["short_wait_to_fifo"] == 0.25
    assert found["figures"]["failures"] == "decoder_crashed 1"


@pytest.mark.parametrize(
    "gone",
    [
        Ended(SHORT, "queued", None, False, None),
        Ended(SHORT, "running", None, False, None),
        Ended(SHORT, "done", None, False, 2.0),
        Ended(SHORT, "failed", "no such name", False, 2.0),
        Ended(SHORT, "failed", None, False, 2.0),
    ],
)
def test_what_has_neither_words_nor_a_named_failure_is_lost(gone: Ended) -> None:
    found = burst.judge(runs(faulty=[*runs()["faulty"], gone]), TARGETS)
    assert found["figures"]["lost"] == 1
    assert not found["met"]


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("goodput_faulty_to_clean", {"faulty": [*ended(last_s=12.0), runs()["faulty"][-1]]}),
        ("short_wait_to_fifo", {"clean": ended(4.0), "clean_again": ended(4.0)}),
        ("good_without_words", {"clean": [*ended(), Ended(SHORT, "failed", "internal", False, 1)]}),
    ],
)
def test_poison_that_costs_the_others_and_short_ones_that_wait_miss_the_targets(
    name: str, bad: dict[str, list[Ended]]
) -> None:
    found = burst.judge(runs(**bad), TARGETS)
    assert missed(found["figures"], TARGETS) == [name]


def test_a_busy_machine_and_a_run_without_poison_prove_nothing() -> None:
    assert "busy" in str(burst.judge(runs(clean_again=ended(last_s=15.0)), TARGETS)["invalid"])
    assert "poison" in str(burst.judge(runs(faulty=ended()), TARGETS)["invalid"])


def test_the_messages_are_the_same_each_time_and_all_different(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(burst_sounds, "FOLDER", tmp_path)
    first = burst_sounds.messages(8, long_ones=1, poison=["crash", "junk"])
    again = burst_sounds.messages(8, long_ones=1, poison=["crash", "junk"])
    assert first == again
    assert len({message.path.read_bytes() for message in first}) == 8
    assert sorted(message.poison or "" for message in first) == [*[""] * 6, "crash", "junk"]
    assert sum(message.is_short for message in first) == 6


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_in_real_runs_words_thrown_away_are_lost_messages_and_an_unfair_order_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(burst_sounds, "FOLDER", tmp_path)
    monkeypatch.setattr(order, "due_rank", lambda asked_at, _duration_ms: asked_at)
    sent = burst_sounds.messages(9, long_ones=2, poison=["crash"])
    found = burst.measure(sent, TARGETS, worker="tests.benchmarks.sabotaged_worker")
    assert found["figures"]["lost"] == 4 * 8
    assert "short_wait_to_fifo" in missed(found["figures"], TARGETS)
