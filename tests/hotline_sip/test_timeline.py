"""Frames lie where their time stamps say, whatever the network does to them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotline.sip.timeline import SoundBuffer, Timeline

FRAME = 160


def place_all(timeline: Timeline, stamps: list[int], ssrc: int = 1) -> list[int]:
    return [timeline.place(ssrc, stamp, FRAME, tick) for tick, stamp in enumerate(stamps)]


def test_frames_follow_each_other() -> None:
    assert place_all(Timeline(), [5000, 5160, 5320]) == [0, 160, 320]


def test_a_lost_frame_leaves_its_gap() -> None:
    assert place_all(Timeline(), [0, 160, 480]) == [0, 160, 480]


def test_overtaken_frames_find_their_place() -> None:
    assert place_all(Timeline(), [0, 320, 160, 480]) == [0, 320, 160, 480]


def test_time_stamps_wrap_around() -> None:
    assert place_all(Timeline(), [2**32 - 160, 0, 160]) == [0, 160, 320]


def test_a_new_source_goes_on_at_the_end() -> None:
    timeline = Timeline()
    place_all(timeline, [0, 160])
    assert timeline.place(2, 999_000, FRAME, 3) == 320
    assert timeline.place(2, 999_160, FRAME, 4) == 480


def test_a_long_pause_without_packets_is_kept() -> None:
    timeline = Timeline()
    place_all(timeline, [0])
    assert timeline.place(1, 30 * 8000, FRAME, 1500) == 30 * 8000


def test_a_forged_leap_ahead_does_not_make_an_hour_of_silence() -> None:
    timeline = Timeline()
    place_all(timeline, [0, 160])
    assert timeline.place(1, 3600 * 8000, FRAME, 3) == 320


@pytest.mark.parametrize("back_samples", [8160, 100_000])
def test_a_source_that_begins_anew_writes_over_nothing(back_samples: int) -> None:
    timeline = Timeline()
    place_all(timeline, [200_000 + n * 160 for n in range(100)])
    assert timeline.place(1, 200_000 + 99 * 160 - back_samples, FRAME, 101) == 16_000


def test_after_a_changed_call_even_a_small_step_back_writes_over_nothing() -> None:
    timeline = Timeline()
    place_all(timeline, [0, 160, 320])
    timeline.renew()
    assert timeline.place(1, 0, FRAME, 4) == 480


def test_what_is_older_than_the_first_frame_is_negative() -> None:
    assert place_all(Timeline(), [320, 160]) == [0, -160]


@given(seed=st.integers(0, 10_000), drain_every=st.integers(1, 7))
def test_any_order_within_half_a_second_gives_the_same_file(seed: int, drain_every: int) -> None:
    rng = random.Random(seed)
    frames = [bytes([n + 1]) * FRAME * 2 for n in range(60)]
    order = sorted(range(1, 60), key=lambda n: n + rng.uniform(0, 20))
    timeline, buffer, file = Timeline(), SoundBuffer(), bytearray(60 * FRAME * 2)
    for tick, n in enumerate([0, *order]):
        buffer.place(timeline.place(1, n * FRAME, FRAME, tick) * 2, frames[n])
        if tick % drain_every == 0:
            for offset, data in buffer.drain():
                file[offset : offset + len(data)] = data
    for offset, data in buffer.drain():
        file[offset : offset + len(data)] = data
    assert bytes(file) == b"".join(frames)


def test_listening_keeps_only_the_newest() -> None:
    buffer = SoundBuffer()
    for n in range(10):
        buffer.place(n * 100, bytes([n]) * 100)
        buffer.forget_before(300)
    assert buffer.start == 700
    assert buffer.drain() == [(700, b"\x07" * 100 + b"\x08" * 100 + b"\x09" * 100)]
