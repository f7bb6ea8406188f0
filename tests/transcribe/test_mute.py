"""Muted is exactly what was asked for: outside every sample stays, inside nothing is left."""

from __future__ import annotations

import wave
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.errors import InvalidInput
from tests.transcribe.conftest import ffmpeg, write_wav
from transcribe import mute
from transcribe.redact import MOBILE, Finding

RATE_HZ = 8_000
SECONDS = 21


def noise(seed: int = 3) -> NDArray[np.int16]:
    """Loud noise: no sample of it looks like silence or a tone."""
    return np.random.default_rng(seed).integers(9_000, 30_000, SECONDS * RATE_HZ).astype(np.int16)


def samples(path: Path) -> NDArray[np.int16]:
    with wave.open(str(path), "rb") as sound:
        return np.frombuffer(sound.readframes(sound.getnframes()), np.int16)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wav(tmp_path_factory.mktemp("mute") / "call.wav", noise().tobytes(), RATE_HZ)


def muted(source: Path, spans: list[tuple[int, int]]) -> NDArray[np.int16]:
    target = source.with_name("muted.wav")
    mute.render(source, spans, target)
    return samples(target)


@pytest.mark.parametrize(
    "spans",
    [
        [],
        [(1_000, 2_000)],
        [(0, 300), (20_900, 30_000)],
        [(9_500, 10_500), (500, 900), (800, 1_200)],
        [(-60, 40), (5_001, 5_002)],
        [(0, 40_000)],
    ],
)
def test_outside_every_sample_stays_and_inside_none_is_left(
    source: Path, spans: list[tuple[int, int]]
) -> None:
    before, after = samples(source), muted(source, spans)
    assert len(after) == len(before)
    inside = np.zeros(len(before), bool)
    for start_ms, end_ms in spans:
        inside[max(start_ms, 0) * RATE_HZ // 1000 : -(-end_ms * RATE_HZ // 1000)] = True
    assert np.array_equal(after[~inside], before[~inside])
    assert np.abs(after[inside]).max(initial=0) <= mute.TONE_PEAK


def test_what_is_heard_instead_does_not_depend_on_what_was_said(tmp_path: Path) -> None:
    first = write_wav(tmp_path / "a.wav", noise(1).tobytes(), RATE_HZ)
    second = write_wav(tmp_path / "b.wav", noise(2).tobytes(), RATE_HZ)
    span = [(9_000, 11_500)]
    inside = slice(9 * RATE_HZ, 11 * RATE_HZ)
    assert np.array_equal(muted(first, span)[inside], muted(second, span)[inside])


def test_a_low_tone_tells_that_something_was_taken_out(source: Path) -> None:
    heard = muted(source, [(2_000, 4_000)])[2 * RATE_HZ + 400 : 4 * RATE_HZ - 400]
    spectrum = np.abs(np.fft.rfft(heard.astype(float)))
    assert round(spectrum.argmax() * RATE_HZ / len(heard)) == mute.TONE_HZ
    assert np.abs(heard).max() > mute.TONE_PEAK * 0.9


def test_other_formats_become_plain_sound_of_the_same_length(source: Path, tmp_path: Path) -> None:
    packed = tmp_path / "call.flac"
    ffmpeg("-i", source, packed)
    assert np.array_equal(muted(packed, [(1_000, 2_000)]), muted(source, [(1_000, 2_000)]))


def test_what_is_no_sound_is_refused_and_nothing_is_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "text.wav"
    path.write_text("no sound")
    with pytest.raises(InvalidInput):
        mute.render(path, [], tmp_path / "out.wav")
    assert list(tmp_path.iterdir()) == [path]


def test_word_times_get_a_margin() -> None:
    found = [Finding(MOBILE, 1, 3, 30, 900), Finding(MOBILE, 5, 6, 1_000, 1_500)]
    assert mute.spans_of(found) == [(0, 1_560)]


@given(st.lists(st.tuples(st.integers(-500, 5_000), st.integers(-500, 5_000)), max_size=8))
def test_joined_spans_cover_the_same_and_lie_apart(spans: list[tuple[int, int]]) -> None:
    apart = mute.joined(spans)
    wanted = {ms for start, end in spans for ms in range(max(start, 0), end)}
    assert {ms for start, end in apart for ms in range(start, end)} == wanted
    assert all(one[1] < other[0] for one, other in pairwise(apart))
