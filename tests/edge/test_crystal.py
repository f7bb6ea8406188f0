"""How wrong a card's crystal runs is measured in a play and remembered for the next one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import Timeline
from edge.crystal import LARGEST_SLOPE, SHORTEST_S, Crystals, Trend
from edge.follow import Follower
from edge.store import Store
from tests.edge.test_follow import BLOCK, RATE_HZ, Card, pcm, tone
from tests.edge.turnable import TurnableClock

PPM = 1e-6


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(tmp_path / "memory")
    yield found
    found.close()


def trend(slope: float, lasts_s: float, noise_s: float = 0.001, seed: int = 1) -> Trend:
    """What a card tells in blocks of 20 ms."""
    found, chance = Trend(), np.random.default_rng(seed)
    for at_s in np.arange(0, lasts_s + 2, 0.02):
        found.add(float(at_s), 5 + slope * float(at_s) + float(chance.normal(0, noise_s)))
    return found


@given(st.floats(-150, 150), st.integers(0, 9))
def test_the_crystal_is_found_in_noise(ppm: float, seed: int) -> None:
    found = trend(ppm * PPM, 120, seed=seed).slope
    assert found is not None
    assert found / PPM == pytest.approx(ppm, abs=5)


def test_too_short_a_play_tells_nothing() -> None:
    assert trend(50 * PPM, SHORTEST_S - 3).slope is None


def test_samples_that_were_lost_are_no_slope() -> None:
    found, at_s = Trend(), 0.0
    for lost_s in (0.0, 0.5):
        for _ in range(3500):
            found.add(at_s, lost_s + 40 * PPM * at_s)
            at_s += 0.02
    assert found.slope == pytest.approx(40 * PPM, rel=0.01)


def test_a_card_is_known_again_after_a_restart_of_the_program(tmp_path: Path) -> None:
    store = Store(tmp_path / "memory")
    Crystals(store).learn("horn", 48000, trend(-60 * PPM, 60))
    store.close()
    store = Store(tmp_path / "memory")
    assert Crystals(store).slope("horn", 48000) == pytest.approx(-60 * PPM, abs=10 * PPM)
    assert Crystals(store).slope("another", 48000) == 0
    assert Crystals(store).slope("horn", 44100) == 0
    store.close()


def test_stamps_that_wander_teach_nothing(store: Store) -> None:
    """As those of a machine that had no time for its card: right at first, then 3 ms off."""
    found = Trend()
    for at_s in np.arange(0, 70, 0.02):
        found.add(float(at_s), 40 * PPM * float(at_s) + 0.003 * float(np.sin(at_s / 14)))
    assert found.slope is not None
    assert abs(found.slope - 40 * PPM) > 30 * PPM
    Crystals(store).learn("horn", 48000, found)
    assert Crystals(store).slope("horn", 48000) == 0


def test_what_no_crystal_can_be_is_not_learnt(store: Store) -> None:
    Crystals(store).learn("horn", 48000, trend(LARGEST_SLOPE * 1.2, 60))
    assert Crystals(store).slope("horn", 48000) == 0
    Crystals(store).learn("horn", 48000, trend(50 * PPM, 60))
    Crystals(store).learn("horn", 48000, trend(-LARGEST_SLOPE * 1.2, 600))
    assert Crystals(store).slope("horn", 48000) == pytest.approx(50 * PPM, abs=10 * PPM)


def test_short_plays_move_what_long_ones_have_shown_only_a_little(store: Store) -> None:
    crystals = Crystals(store)
    crystals.learn("horn", 48000, trend(40 * PPM, 300, noise_s=0))
    crystals.learn("horn", 48000, trend(70 * PPM, 90, noise_s=0))
    assert crystals.slope("horn", 48000) == pytest.approx(44 * PPM, abs=1 * PPM)
    crystals.learn("horn", 48000, trend(34 * PPM, 300, noise_s=0))
    assert crystals.slope("horn", 48000) == pytest.approx(39 * PPM, abs=1 * PPM)


def test_an_exchanged_card_of_the_same_name_counts_at_once(store: Store) -> None:
    crystals = Crystals(store)
    crystals.learn("horn", 48000, trend(80 * PPM, 600))
    crystals.learn("horn", 48000, trend(-60 * PPM, 120))
    assert crystals.slope("horn", 48000) == pytest.approx(-60 * PPM, abs=5 * PPM)


def test_the_memory_is_not_written_when_nothing_is_news(store: Store) -> None:
    crystals = Crystals(store)
    crystals.learn("horn", 48000, trend(40 * PPM, 300))
    before = store.fact("crystals")
    crystals.learn("horn", 48000, trend(40 * PPM, 300))
    assert store.fact("crystals") == before


@pytest.mark.parametrize(
    "kept",
    ["{", "[]", '{"48000 horn": 3}', '{"48000 horn": [1, 9]}', '{"48000 horn": ["a", "b"]}',
     '{"48000 horn": [1e-5, -1]}'],
)  # fmt: skip
def test_a_memory_that_makes_no_sense_is_none(store: Store, kept: str) -> None:
    store.remember("crystals", kept)
    assert Crystals(store).slope("horn", 48000) == 0


def test_it_does_not_grow_with_every_card_that_was_ever_there(store: Store) -> None:
    for number in range(20):
        Crystals(store).learn(f"card {number}", 48000, trend(40 * PPM, 90))
    kept = store.fact("crystals")
    assert kept is not None
    assert len(json.loads(kept)) == 8
    assert Crystals(store).slope("card 19", 48000) > 0


def worst_error_ms(ppm: float, remembered: float, seconds: int = 60) -> float:
    """Of a play on a card of ``ppm`` whose slope was remembered as ``remembered``."""
    clock = TurnableClock(100.0)  # of large numbers the fractions would run away
    samples = tone(seconds)
    follower = Follower(pcm(samples), clock.wall_s() + 2.0, Timeline(clock), 1.0)
    follower.reopened(remembered)
    card, due_s = Card(clock, ppm), clock.mono_s() + 2.0
    worst = 0.0
    for _ in range(int(seconds * RATE_HZ / BLOCK)):
        card.run(follower, BLOCK / RATE_HZ)
        if follower.left_s:
            reached_s = seconds - follower.left_s
            worst = max(worst, abs(reached_s - (card.instant_s(card.frame) - due_s)))
    return worst * 1000


def test_a_remembered_crystal_holds_the_time_from_the_first_second_on() -> None:
    unknown = worst_error_ms(100.0, 0.0)
    known = worst_error_ms(100.0, -100 * PPM)
    assert known < 0.2 < 0.6 < unknown


@pytest.mark.parametrize("ppm", [-100.0, 100.0])
@pytest.mark.parametrize("remembered", [-LARGEST_SLOPE, LARGEST_SLOPE])
def test_the_worst_wrong_memory_stays_within_what_a_village_can_hear(
    ppm: float, remembered: float
) -> None:
    assert worst_error_ms(ppm, remembered) < 2.5
