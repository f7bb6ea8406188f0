"""The buffer between the net and the horn: in order, near the present, honest about losses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.live_sound import (
    FIRST_TARGET_MS,
    LARGEST_TARGET_MS,
    OUT_RATE_HZ,
    JitterBuffer,
    LiveSource,
    Upsampler,
    chime,
)

PER_MS = 16
BLOCK = 960


def ramp(ms: int, first: float = 0.1) -> np.ndarray:
    return np.full(ms * PER_MS, first, np.float32)


def filled(ms: int = FIRST_TARGET_MS) -> JitterBuffer:
    buffer = JitterBuffer()
    for at_ms in range(0, ms, 100):
        buffer.push(at_ms, ramp(100))
    return buffer


def test_nothing_sounds_before_enough_is_held() -> None:
    buffer = JitterBuffer()
    buffer.push(0, ramp(FIRST_TARGET_MS - 100))
    assert not buffer.take(320).any()
    buffer.push(FIRST_TARGET_MS - 100, ramp(100))
    assert buffer.take(320).any()


def test_a_hole_makes_it_hold_back_more_and_loses_nothing() -> None:
    buffer = filled()
    buffer.take((FIRST_TARGET_MS + 100) * PER_MS)
    assert buffer.target_ms == FIRST_TARGET_MS + 100
    buffer.push(FIRST_TARGET_MS, ramp(FIRST_TARGET_MS + 100))
    assert buffer.take(320).any()
    assert buffer.lost_ms == 0


def test_it_never_holds_back_more_than_a_second() -> None:
    buffer, at_ms = JitterBuffer(), 0
    for _ in range(20):
        buffer.push(at_ms, ramp(buffer.target_ms))
        at_ms += buffer.target_ms
        buffer.take(3 * LARGEST_TARGET_MS * PER_MS)
    assert buffer.target_ms == LARGEST_TARGET_MS


def test_a_burst_after_a_stall_is_left_behind() -> None:
    buffer = filled()
    buffer.take(320)
    buffer.push(FIRST_TARGET_MS, ramp(5000))
    assert buffer.held_ms == buffer.target_ms
    assert buffer.lost_ms == pytest.approx(5000 - 20, abs=1)


def test_what_never_arrived_counts_as_lost() -> None:
    buffer = filled()
    buffer.take(320)
    buffer.push(FIRST_TARGET_MS + 700, ramp(100))
    assert buffer.lost_ms == 700


def test_what_was_said_before_joining_does_not_count() -> None:
    buffer = JitterBuffer()
    buffer.push(60_000, ramp(5000))
    assert buffer.lost_ms == 0


def test_what_came_twice_is_held_once() -> None:
    buffer = filled(200)
    buffer.push(100, ramp(150))
    assert buffer.held_ms == 250


def test_the_last_words_are_said_though_little_is_held() -> None:
    buffer = JitterBuffer()
    buffer.push(0, ramp(100))
    buffer.finish()
    assert buffer.take(100 * PER_MS).any()
    assert buffer.exhausted


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 400)), max_size=30))
def test_whatever_arrives_it_stays_near_the_present(pieces: list[tuple[int, int]]) -> None:
    buffer = JitterBuffer()
    for at_ms, length_ms in pieces:
        buffer.push(at_ms, ramp(length_ms))
        assert buffer.held_ms <= buffer.target_ms + 400
        buffer.take(320)
        assert buffer.lost_ms >= 0


def test_three_samples_for_one_and_no_seams() -> None:
    at = np.arange(16_000) / 16_000
    sound = np.sin(2 * np.pi * 440 * at).astype(np.float32)
    whole = Upsampler().run(sound)
    pieces = Upsampler()
    joined = np.concatenate([pieces.run(sound[n : n + 320]) for n in range(0, 16_000, 320)])
    assert np.allclose(whole, joined, atol=1e-6)
    spectrum = np.abs(np.fft.rfft(whole[1000:-1000] * np.hanning(len(whole) - 2000)))
    hertz = np.fft.rfftfreq(len(whole) - 2000, 1 / OUT_RATE_HZ)
    assert abs(hertz[spectrum.argmax()] - 440) < 2
    assert spectrum[hertz > 9000].max() < spectrum.max() / 1000


class Horn:
    """Takes blocks as a sink does."""

    def __init__(self, source: LiveSource) -> None:
        self.source = source
        self.frame = 0
        self.heard = np.zeros(0, np.float32)

    def take(self, seconds: float) -> np.ndarray:
        begun = len(self.heard)
        for _ in range(round(seconds * OUT_RATE_HZ / BLOCK)):
            block = self.source.block(BLOCK, self.frame, self.frame / OUT_RATE_HZ)
            self.heard = np.concatenate((self.heard, block))
            self.frame += BLOCK
        return self.heard[begun:]


def test_first_the_chime_then_the_voice_and_the_first_word_is_told() -> None:
    told: list[float] = []
    buffer = filled()
    horn = Horn(LiveSource(buffer, 1.0, 1.0, told.append))
    length_s = len(chime()) / OUT_RATE_HZ
    assert np.abs(horn.take(length_s - 0.02)).max() > 0.3
    assert told == []
    assert np.abs(horn.take(0.2)[-2000:]).mean() == pytest.approx(0.1, abs=0.01)
    assert told[0] == pytest.approx(length_s, abs=0.021)


def test_no_sample_is_louder_than_the_cap() -> None:
    buffer = JitterBuffer()
    buffer.push(0, ramp(800, 1.0))
    horn = Horn(LiveSource(buffer, 0.25, 1.0, lambda _s: None))
    assert np.abs(horn.take(2)).max() <= 0.2501


def test_hushed_it_dies_away_within_a_tenth_of_a_second() -> None:
    horn = Horn(LiveSource(filled(), 1.0, 1.0, lambda _s: None))
    horn.take(1.5)
    horn.source.hush()
    horn.take(0.1)
    assert horn.source.silent
    assert np.abs(horn.take(0.1)).max() < 1e-3


def test_it_is_done_after_the_last_word() -> None:
    buffer = filled()
    horn = Horn(LiveSource(buffer, 1.0, 1.0, lambda _s: None))
    horn.take(1.5)
    assert not horn.source.done
    buffer.finish()
    horn.take(1.0)
    assert horn.source.done
