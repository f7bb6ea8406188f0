"""Sound at its instant, on devices whose clocks run as they like."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.cache import Pcm
from edge.clock import Timeline
from edge.follow import Follower
from tests.edge.turnable import TurnableClock

RATE_HZ = 8000
BLOCK = 160


def tone(seconds: float) -> NDArray[np.int16]:
    """A slow rise: the value of a sample tells its place."""
    count = int(seconds * RATE_HZ)
    return np.linspace(1000, 30000, count).astype(np.int16)


def pcm(samples: NDArray[np.int16]) -> Pcm:
    return Pcm(samples, RATE_HZ, float(np.abs(samples.astype(np.int32)).max()) / 32768)


class Card:
    """A sound card with a crystal of its own: ``ppm`` fast, time stamps with ``jitter_s``."""

    def __init__(self, clock: TurnableClock, ppm: float = 0.0, jitter_s: float = 0.0) -> None:
        self.clock, self.rate_hz, self.jitter_s = clock, RATE_HZ * (1 + ppm * 1e-6), jitter_s
        self.opened_s = clock.mono_s() + 0.05
        self.out: list[NDArray[np.float32]] = []
        self.frame = 0
        self.chance = np.random.default_rng(5)

    def instant_s(self, frame: float) -> float:
        """When a frame is truly heard, on the monotonic clock."""
        return self.opened_s + frame / self.rate_hz

    def run(
        self, follower: Follower, seconds: float, each: Callable[[int], None] = lambda _b: None
    ) -> NDArray[np.float32]:
        for block in range(int(seconds * RATE_HZ / BLOCK)):
            each(block)
            stamp = self.instant_s(self.frame) + self.chance.normal(0, self.jitter_s or 1e-12)
            self.out.append(follower.block(BLOCK, self.frame, stamp))
            self.frame += BLOCK
            self.clock.pass_(BLOCK / self.rate_hz)
        return np.concatenate(self.out)


def follow(
    clock: TurnableClock, samples: NDArray[np.int16], in_s: float, cap: float = 1.0
) -> Follower:
    return Follower(pcm(samples), clock.wall_s() + in_s, Timeline(clock), cap)


def first_loud(heard: NDArray[np.float32]) -> int:
    return int(np.argmax(np.abs(heard) > 0.01))


def test_the_first_sample_is_heard_at_the_instant() -> None:
    clock = TurnableClock()
    card, due_s = Card(clock), clock.mono_s() + 1.0
    heard = card.run(follow(clock, tone(1), 1.0), 2.5)
    assert abs(card.instant_s(first_loud(heard)) - due_s) < 1.5 / RATE_HZ


def test_before_and_after_the_clip_there_is_near_silence_but_no_digital_zero() -> None:
    clock = TurnableClock()
    follower = follow(clock, tone(1), 1.0)
    heard = Card(clock).run(follower, 2.5)
    for quiet in (heard[: RATE_HZ // 2], heard[-RATE_HZ // 4 :]):
        assert 0 < np.abs(quiet).max() <= 10 ** (-90 / 20)
        assert np.count_nonzero(quiet) > 0.9 * len(quiet)
    assert follower.done


def test_it_tells_at_which_frames_the_clip_began_and_ended() -> None:
    clock = TurnableClock()
    follower = follow(clock, tone(1), 1.0)
    card = Card(clock)
    heard = card.run(follower, 2.5)
    assert follower.first_frame is not None
    assert follower.last_frame is not None
    assert abs(follower.first_frame - first_loud(heard)) <= 1
    assert abs(follower.last_frame - follower.first_frame - RATE_HZ) <= 2


@pytest.mark.parametrize("ppm", [-100.0, 100.0])
def test_a_card_that_runs_wrong_is_followed_within_two_milliseconds(ppm: float) -> None:
    clock = TurnableClock()
    count = 120 * RATE_HZ
    ramp = np.arange(1, count + 1, dtype=np.int32)  # finer than 16 bits: it tells every sample
    sound = Pcm(ramp, RATE_HZ, count / 32768)  # type: ignore[arg-type]
    follower = Follower(sound, clock.wall_s() + 1.0, Timeline(clock), 1.0)
    card, due_s = Card(clock, ppm, jitter_s=0.0003), clock.mono_s() + 1.0
    heard = card.run(follower, 122)
    for second in range(5, 118):
        frame = (second + 1) * RATE_HZ
        place_s = float(heard[frame]) * count / RATE_HZ
        assert abs(place_s - (card.instant_s(frame) - due_s)) < 0.002


def test_a_clip_that_comes_too_late_is_never_begun_in_its_middle() -> None:
    clock = TurnableClock()
    card = Card(clock)
    heard = card.run(follow(clock, tone(1), -0.4), 2.0)
    assert first_loud(heard) <= BLOCK
    assert heard[first_loud(heard)] * 32768 == pytest.approx(1000, abs=60)


@pytest.mark.parametrize("step_s", [5.0, -5.0])
def test_a_step_of_the_clock_during_the_play_is_not_heard(step_s: float) -> None:
    clock = TurnableClock()
    samples = tone(3)
    follower = follow(clock, samples, 0.5)

    def turn(block: int) -> None:
        if block == 75:  # a second into the sound
            clock.step(step_s)

    heard = Card(clock).run(follower, 4.5, turn)
    begin = first_loud(heard)
    jumps = np.abs(np.diff(heard[begin : begin + len(samples) - 10]))
    assert jumps.max() < 0.01
    assert follower.done


def test_a_step_before_the_first_sample_counts() -> None:
    clock = TurnableClock()
    card, opened_s = Card(clock), clock.mono_s()

    def turn(block: int) -> None:
        if block == 5:
            clock.step(0.4)

    heard = card.run(follow(clock, tone(1), 1.0), 3.0, turn)
    assert card.instant_s(first_loud(heard)) - opened_s == pytest.approx(0.6, abs=0.001)


def test_samples_a_card_lost_are_skipped_so_that_the_rest_is_on_time() -> None:
    clock = TurnableClock()
    samples = tone(3)
    follower, card = follow(clock, samples, 0.5), Card(clock)
    card.run(follower, 1.5)
    card.frame += RATE_HZ // 2  # half a second that nobody heard
    clock.pass_(0.5)
    heard = card.run(follower, 0.5)
    place_s = float(np.interp(heard[-1] * 32768, samples, np.arange(len(samples)))) / RATE_HZ
    assert place_s == pytest.approx(1.5 + 0.5 + 0.5 - 0.5 + 0.05, abs=0.01)


def test_no_sample_is_louder_than_the_cap() -> None:
    clock = TurnableClock()
    heard = Card(clock).run(follow(clock, tone(1), 0.2, cap=0.25), 2.0)
    assert 0.24 < np.abs(heard).max() <= 0.2501


def test_a_clip_below_the_cap_is_left_as_it_is() -> None:
    clock = TurnableClock()
    quiet = (tone(1) // 10).astype(np.int16)
    heard = Card(clock).run(follow(clock, quiet, 0.2, cap=0.25), 2.0)
    assert np.abs(heard).max() * 32768 == pytest.approx(3000, abs=10)


def test_a_play_of_which_more_than_half_was_lost_was_none() -> None:
    for away_s, lost in ((1.0, False), (2.0, True)):
        clock = TurnableClock()
        follower, card = follow(clock, tone(3), 0.5), Card(clock)
        card.run(follower, 1.0)
        card.frame += int(away_s * RATE_HZ)
        clock.pass_(away_s)
        card.run(follower, 0.5)
        assert follower.mostly_lost == lost
        assert follower.lost_s == pytest.approx(away_s, abs=0.01)
