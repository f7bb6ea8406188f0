"""Speech handed on while it is said: in order, in time, whatever telephone and network do."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotline.sip.outflow import EARLY, HELD_BACK, LATE, Outflow

FRAME = 160
MS = 16
"""Bytes a millisecond."""


class Listener:
    """What came out, at its place; ``late_ms``: how old the newest sound was when it came."""

    def __init__(self) -> None:
        self.flow = Outflow(self.take)
        self.pieces: list[tuple[int, bytes]] = []
        self.tick = 0

    def take(self, at_ms: int, pcm: bytes) -> None:
        assert len(pcm) % MS == 0
        self.pieces.append((at_ms, pcm))

    def beat(self, count: int = 1) -> None:
        for _ in range(count):
            self.tick += 1
            self.flow.tick(self.tick)

    def frame(self, number: int, mark: int = 1, *, ssrc: int = 1, stamp: int | None = None) -> None:
        at = number * FRAME if stamp is None else stamp
        self.flow.hear(ssrc, at & 0xFFFFFFFF, bytes([mark]) * FRAME * 2, self.tick)

    def speak(self, frames: range, mark: int = 1, **more: int) -> None:
        for number in frames:
            self.frame(number, mark, **more)
            self.beat()

    @property
    def end_ms(self) -> int:
        at_ms, pcm = self.pieces[-1]
        return at_ms + len(pcm) // MS

    def sound(self) -> bytes:
        """Everything at its place."""
        out = bytearray()
        for at_ms, pcm in self.pieces:
            start = at_ms * MS
            out.extend(bytes(max(0, start + len(pcm) - len(out))))
            out[start : start + len(pcm)] = pcm
        return bytes(out)

    def place_of(self, mark: int) -> int:
        """Milliseconds at which the sound marked so begins."""
        return self.sound().index(mark) // MS


@pytest.fixture
def listener() -> Listener:
    return Listener()


def test_speech_goes_out_each_tenth_of_a_second(listener: Listener) -> None:
    listener.speak(range(50))
    assert {len(pcm) // MS for _, pcm in listener.pieces[1:]} == {100}
    assert listener.sound() == b"\1" * len(listener.sound())
    assert listener.end_ms == 1000 - HELD_BACK // MS


@given(seed=st.integers(0, 10_000))
def test_packets_that_overtake_each_other_are_put_in_order(seed: int) -> None:
    listener, chance = Listener(), random.Random(seed)
    order = sorted(range(1, 120), key=lambda number: number + chance.uniform(0, 2))
    for number in (0, *order):
        listener.frame(number, number + 1)
        listener.beat()
    listener.beat(20)
    whole = b"".join(bytes([number + 1]) * FRAME * 2 for number in range(120))
    assert listener.sound()[: len(whole)] == whole


def test_a_lost_packet_is_silence_in_its_place(listener: Listener) -> None:
    for number in range(40):
        if number != 20:
            listener.frame(number)
        listener.beat()
    assert listener.sound()[20 * 320 : 21 * 320] == bytes(320)
    assert listener.sound()[21 * 320] == 1


def test_a_pause_without_packets_is_silence_as_it_passes(listener: Listener) -> None:
    """A telephone that sends nothing while nobody speaks: listeners must not take it for gone."""
    listener.speak(range(10))
    before = len(listener.pieces)
    listener.beat(500)
    assert listener.end_ms >= 10_000
    assert len(listener.pieces) - before > 90
    assert not any(any(pcm) for _, pcm in listener.pieces[before + 2 :])


def test_after_a_pause_speech_lies_where_its_time_stamp_says(listener: Listener) -> None:
    listener.speak(range(10))
    listener.beat(100)
    listener.speak(range(110, 120), 2)
    assert listener.place_of(2) == 110 * 20


@pytest.mark.parametrize("more", [{}, {"ssrc": 2}], ids=["same source", "new source"])
def test_a_time_stamp_that_stood_still_during_a_pause_loses_no_speech(
    listener: Listener, more: dict[str, int]
) -> None:
    listener.speak(range(10))
    listener.beat(500)
    listener.speak(range(10, 60), 2, **more)
    listener.beat(20)
    assert listener.sound().count(2) == 50 * 320
    assert 10_000 <= listener.place_of(2) <= 10_400


@pytest.mark.parametrize("leap_s", [2, 8, 3600])
def test_a_time_stamp_that_leaps_ahead_does_not_make_listeners_wait(
    listener: Listener, leap_s: int
) -> None:
    listener.speak(range(20))
    for number in range(20, 60):
        listener.frame(number, 2, stamp=number * FRAME + leap_s * 8000)
        listener.beat()
    listener.beat(20)
    assert listener.sound().count(2) == 40 * 320
    assert listener.place_of(2) <= 400 + 300


@given(st.lists(st.integers(-80_000, 80_000), min_size=1, max_size=60))
def test_whatever_the_time_stamps_sound_is_never_late_nor_far_ahead(leaps: list[int]) -> None:
    listener, stamp = Listener(), 0
    for leap in leaps:
        stamp += FRAME + leap
        listener.frame(0, stamp=stamp)
        listener.beat()
        now_ms = listener.tick * 20
        for _, pcm in listener.pieces:
            assert len(pcm) <= EARLY + LATE + 2 * HELD_BACK
        if listener.pieces:
            assert listener.end_ms <= now_ms + EARLY // MS + 20
    listener.beat(200)
    assert abs(listener.end_ms - listener.tick * 20) <= (LATE + EARLY) // MS + 100


def test_nothing_goes_out_before_the_first_packet(listener: Listener) -> None:
    listener.beat(200)
    assert listener.pieces == []
