"""The benchmark of playing together finds the skew that is there, and a servo that is off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from benchmarks import harness, hearing, sync
from benchmarks.hearing import Place
from benchmarks.pulse import RATE_HZ, Tape
from edge import follow as follower
from edge.cache import Pcm
from edge.clock import Timeline
from tests.edge.turnable import TurnableClock

PROGRAMME = hearing.programme(12)
SECONDS = [float(second) for second in range(1, 11)]


def tape(delay_s: float, ppm: float = 0.0, noise: float = 0.0, drift_ppm: float = 0.0) -> Tape:
    """PROGRAMME due at wall 105 s, heard ``delay_s`` late by a converter of ``ppm``."""
    rate_hz = RATE_HZ * (1 + ppm * 1e-6)
    wall_s = 100 + np.arange(int(20 * rate_hz)) / rate_hz
    place = (wall_s - 105 - delay_s) * RATE_HZ * (1 + drift_ppm * 1e-6)
    heard = np.interp(place, np.arange(len(PROGRAMME)), PROGRAMME, left=0, right=0)
    heard += noise * np.random.default_rng(7).standard_normal(len(heard))
    return Tape((heard * 32767).clip(-32768, 32767).astype(np.int16), rate_hz, 100.0, 0)


def places(one: Tape) -> list[Place]:
    return hearing.follow(one, PROGRAMME, 105.0, SECONDS)


@pytest.mark.parametrize("delay_ms", [-3.0, 0.25, 0.2601, 4.0, 61.0])
def test_a_delay_is_found_to_a_hundredth_of_a_millisecond(delay_ms: float) -> None:
    found = places(tape(delay_ms / 1000, ppm=60, noise=0.02))
    assert len(found) == len(SECONDS)
    assert all(abs(place.error_s * 1000 - delay_ms) < 0.01 for place in found)


def test_skew_is_how_much_later_one_horn_sounds_than_the_other() -> None:
    skews = hearing.skews_ms(places(tape(0.004, ppm=-40)), places(tape(0.001, ppm=60)))
    assert list(skews.values()) == pytest.approx([3.0] * len(SECONDS), abs=0.02)


def test_what_never_came_out_is_not_found() -> None:
    assert places(Tape(np.zeros(20 * RATE_HZ, np.int16), RATE_HZ, 100.0, 0)) == []
    noise = np.random.default_rng(3).integers(-9000, 9000, 20 * RATE_HZ).astype(np.int16)
    assert places(Tape(noise, RATE_HZ, 100.0, 0)) == []


def heard(
    skews_ms: Sequence[float], snap_ms: Sequence[float], starts_ms: Sequence[float] = (0.5,)
) -> sync.Heard:
    def two(skews: Sequence[float]) -> Mapping[str, Sequence[Place]]:
        one = [Place(float(number), skew / 1000) for number, skew in enumerate(skews)]
        return {"a": one, "b": [Place(place.at_s, 0.0) for place in one]}

    return sync.Heard(two(skews_ms), two(snap_ms), 600, starts_ms)


def missed(found: sync.Heard) -> list[str]:
    return sorted(harness.missed(sync.figures(found), sync.TARGETS))


def test_two_horns_as_close_as_snapcasts_meet_every_target() -> None:
    assert missed(heard([0.5] * 600, [-0.5] * 600)) == []


def test_each_target_can_be_missed() -> None:
    good = [0.5] * 600
    assert missed(heard([0.8] * 600, good)) == ["skew_p50_to_snapcast"]
    assert missed(heard([0.5] * 300 + [1.2] * 40 + [0.5] * 260, good)) == ["skew_p95_to_snapcast"]
    assert missed(heard([0.5] * 300 + [6.0] * 10 + [0.5] * 290, good)) == ["skew_p99_ms"]
    assert missed(heard(good[:560], good)) == ["matched_share"]
    creeping = [-0.6 + 1.2 * number / 599 for number in range(600)]
    assert missed(heard(creeping, good)) == ["skew_growth_ms"]
    assert missed(heard(good, good, [0.5] * 10 + [7.0])) == ["start_error_p95_ms"]


def test_without_snapcast_there_is_nothing_to_compare_with() -> None:
    assert missed(heard([0.1] * 600, [])) == ["skew_p50_to_snapcast", "skew_p95_to_snapcast"]


def played(ppm: float, seconds: float) -> Tape:
    """The product's follower on a converter of ``ppm``."""
    clock = TurnableClock(100.0)
    rate_hz = RATE_HZ * (1 + ppm * 1e-6)
    sound = hearing.programme(seconds)
    pcm = Pcm((sound * 32767).astype(np.int16), RATE_HZ, float(np.abs(sound).max()))
    source = follower.Follower(pcm, 105.0, Timeline(clock), 1.0)
    opened_s, frame, out = clock.mono_s(), 0, []
    while not source.done:
        out.append(source.block(960, frame, opened_s + frame / rate_hz))
        frame += 960
        clock.pass_(960 / rate_hz)
    samples = (np.concatenate(out) * 32767).astype(np.int16)
    return Tape(samples, rate_hz, 100.0, 0)


def skew_of_two_players(seconds: float) -> sync.Heard:
    sound = hearing.programme(seconds)
    windows = [float(second) for second in np.arange(3, seconds - 2)]
    ours = {
        horn: hearing.follow(played(ppm, seconds), sound, 105.0, windows)
        for horn, ppm in sync.PPM.items()
    }
    like_snapcast = [Place(second, 0.0004) for second in windows]
    snapcast = {"a": like_snapcast, "b": [Place(second, 0.0) for second in windows]}
    return sync.Heard(ours, snapcast, len(windows), [0.1])


def test_the_players_servo_holds_two_crystals_together() -> None:
    """In two minutes: the first half minute, while it learns the crystals, is the worst."""
    assert missed(skew_of_two_players(120)) == []


def test_a_player_whose_servo_is_off_misses_the_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "_LARGEST_DEVIATION", 0.0)
    found = missed(skew_of_two_players(60))
    assert {"skew_p50_to_snapcast", "skew_p95_to_snapcast", "skew_p99_ms", "skew_growth_ms"} <= set(
        found
    )
