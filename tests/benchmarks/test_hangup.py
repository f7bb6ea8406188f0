"""The benchmark of the wait after hanging up sees what it is there to see."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import hangup
from benchmarks.hangup import Call, Measured


def measured(*, waits: dict[int, list[float]], batch_ms: float, equal: int = 2) -> Measured:
    calls = {
        count: [Call(wait, "stream", "停水", Path("a.wav")) for wait in of_count]
        for count, of_count in waits.items()
    }
    return Measured(calls, batch_ms, equal, 2, 0.0)


def met(figures: dict[str, object]) -> list[str]:
    from benchmarks import harness

    return harness.missed(figures, hangup.targets(["slow"]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("count", "batch_ms", "allowed"),
    [(1, 1_000, 500), (1, 20_000, 3_000), (4, 1_000, 800), (4, 20_000, 10_000)],
)
def test_a_wait_is_judged_by_the_time_a_decoder_needs(
    count: int, batch_ms: float, allowed: float
) -> None:
    assert hangup.allowed_ms(count, batch_ms) == allowed


def test_of_few_calls_the_slowest_counts() -> None:
    assert hangup.percentile([3, 1, 2], 0.95) == 3
    assert hangup.percentile(range(1, 101), 0.95) == 95


def test_one_slow_call_in_eight_misses_the_target() -> None:
    waits = {1: [300.0], 4: [400.0] * 7 + [801.0]}
    assert met(hangup._figures("slow", measured(waits=waits, batch_ms=1_000))) == [
        "slow_p95_to_allowed_4"
    ]


def test_another_text_than_the_decoders_misses_the_target() -> None:
    found = measured(waits={1: [1.0], 4: [1.0]}, batch_ms=1_000, equal=1)
    assert met(hangup._figures("slow", found)) == ["slow_equal_text_share"]


def test_no_two_callers_say_the_same() -> None:
    sentences = [bytes([number]) * 20_000 for number in range(1, 6)]
    voices = [hangup._voice(sentences, 5.0, seed) for seed in range(8)]
    assert len(set(voices)) == 8
    assert {len(voice) for voice in voices} == {80_000}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_without_the_live_decoder_a_slow_model_misses_the_target() -> None:
    """Whatever else runs on the machine: decoding everything takes longer than a part of it."""
    found = hangup.run(True, models=["slow"], XIANGYIN_LIVE_STREAMS="0")
    assert found["figures"]["slow_heard_live_share"] == 0
    ratio = found["figures"]["slow_p95_to_allowed_1"]
    assert isinstance(ratio, float)
    assert ratio > 1
    assert not found["met"]
