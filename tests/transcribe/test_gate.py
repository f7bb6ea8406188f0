"""The gate shortens pauses, loses no voice, and knows when everything was."""

from __future__ import annotations

import random
import struct
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transcribe.conftest import Spoken, pcm
from transcribe.gate import FRAME_MS, HANG_OVER_MS, PRE_ROLL_MS, UNIT_MS, Gate, Timeline

RATE_HZ = 16_000
FRAME_BYTES = RATE_HZ * FRAME_MS // 1000 * 2


def hiss(ms: int, *, loudness: int = 10, seed: int = 1) -> bytes:
    dice = random.Random(seed)
    count = RATE_HZ * ms // 1000
    return struct.pack(f"<{count}h", *(int(dice.gauss(0, loudness)) for _ in range(count)))


def passed(gate: Gate, sound: bytes, frames_at_a_time: int = 10) -> bytes:
    size = FRAME_BYTES * frames_at_a_time
    return b"".join(gate.add(sound[at : at + size]) for at in range(0, len(sound), size))


def milliseconds(sound: bytes) -> int:
    return len(sound) // 2 * 1000 // RATE_HZ


def test_what_holds_no_voice_is_not_decoded_at_all() -> None:
    assert passed(Gate(RATE_HZ), bytes(RATE_HZ * 2 * 5)) == b""
    assert passed(Gate(RATE_HZ), hiss(5_000)) == b""


def test_a_long_pause_is_shortened_and_the_voice_around_it_passes_whole(spoken: Spoken) -> None:
    voice, pause = pcm(spoken.wide), hiss(5_000)
    gate = Gate(RATE_HZ)
    kept = passed(gate, voice + pause + voice)
    left_ms = milliseconds(kept) - 2 * milliseconds(voice)
    assert -1_000 < left_ms < HANG_OVER_MS + PRE_ROLL_MS + UNIT_MS
    assert voice[8_000:-16_000] in kept
    assert kept.count(voice[8_000:-16_000]) == 2


def test_a_pause_in_which_an_utterance_goes_on_passes_untouched(spoken: Spoken) -> None:
    voice = pcm(spoken.wide)[8_000:-16_000]
    kept = passed(Gate(RATE_HZ), voice + hiss(HANG_OVER_MS - 100) + voice)
    assert voice + hiss(HANG_OVER_MS - 100) in kept


def test_sound_ends_with_what_is_left_be_it_no_whole_frame(spoken: Spoken) -> None:
    voice = pcm(spoken.wide)[8_000:-16_000]
    odd = voice[: len(voice) // FRAME_BYTES * FRAME_BYTES - 100]
    assert passed(Gate(RATE_HZ), odd).endswith(odd[-1_000:])


def test_the_same_passes_whatever_pieces_the_sound_comes_in(spoken: Spoken) -> None:
    sound = hiss(2_000) + pcm(spoken.wide) + hiss(3_000) + pcm(spoken.wide) + hiss(1_000)
    at_once = passed(Gate(RATE_HZ), sound, 10_000)
    assert at_once
    for frames in (1, 3, 10):
        assert passed(Gate(RATE_HZ), sound, frames) == at_once


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 4_000), min_size=1, max_size=4))
def test_all_that_passes_lay_in_the_sound_where_the_timeline_says(pauses_ms: list[int]) -> None:
    burst = _voice_like()
    sound = b"".join(hiss(pause, seed=pause) + burst for pause in pauses_ms)
    gate = Gate(RATE_HZ)
    kept = passed(gate, sound)
    for at in range(0, len(kept) - FRAME_BYTES + 1, FRAME_BYTES):
        start_ms, end_ms = gate.timeline.original(milliseconds(kept[:at]), 0)
        assert end_ms >= 0
        place = start_ms * RATE_HZ // 1000 * 2
        assert sound[place : place + FRAME_BYTES] == kept[at : at + FRAME_BYTES]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 4_000), min_size=2, max_size=4))
def test_what_is_left_out_keeps_the_grid_of_the_network(pauses_ms: list[int]) -> None:
    gate = Gate(RATE_HZ)
    kept = passed(gate, b"".join(hiss(pause) + _voice_like() for pause in pauses_ms))
    places = [gate.timeline.original(ms, ms + 1)[0] - ms for ms in range(milliseconds(kept))]
    assert {skipped % UNIT_MS for skipped in places} <= {0}
    assert all(before <= after for before, after in pairwise(places))


def test_a_word_across_a_skipped_pause_belongs_to_its_longer_side() -> None:
    timeline = Timeline()
    timeline.skip(1_000, 3_000)
    assert timeline.original(500, 900) == (500, 900)
    assert timeline.original(1_000, 1_300) == (4_000, 4_300)
    assert timeline.original(500, 1_100) == (500, 1_000)
    assert timeline.original(900, 1_600) == (4_000, 4_600)
    assert timeline.original(1_000, 1_000) == (4_000, 4_000)


@pytest.mark.parametrize("rate_hz", [8_000, 32_000, 48_000])
def test_every_rate_the_detector_takes_is_gated(rate_hz: int) -> None:
    assert Gate(rate_hz).add(bytes(rate_hz * 2)) == b""


def _voice_like(ms: int = 400) -> bytes:
    """A loud buzz, which every voice detector takes for a vowel."""
    period = RATE_HZ // 125
    samples = (12_000 if n % period < period // 8 else -1_500 for n in range(RATE_HZ * ms // 1000))
    return struct.pack(f"<{RATE_HZ * ms // 1000}h", *samples)
