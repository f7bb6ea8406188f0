"""Empty text is not silence: voice, clipping and an end in mid-speech are told apart."""

from __future__ import annotations

import array
import random
import struct

import pytest

from tests.transcribe.conftest import Spoken, pcm
from transcribe.activity import Activity

KINDS = [("wide", 16_000), ("telephone", 8_000)]


def heard(sound: bytes, rate_hz: int) -> Activity:
    activity = Activity(rate_hz)
    for start in range(0, len(sound), rate_hz * 2 // 5):
        piece = sound[start : start + rate_hz * 2 // 5]
        activity.hear(piece)
        activity.measure(piece)
    return activity


def louder(sound: bytes, factor: float) -> bytes:
    samples = array.array("h", sound)
    peak = max(max(samples), -min(samples))
    scale = 32767 / peak * factor
    return array.array("h", (max(-32768, min(32767, round(s * scale))) for s in samples)).tobytes()


@pytest.mark.parametrize(("kind", "rate_hz"), KINDS)
def test_a_voice_is_a_voice(kind: str, rate_hz: int, spoken: Spoken) -> None:
    assert heard(pcm(getattr(spoken, kind)), rate_hz).heard_voice


@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
def test_digital_silence_and_the_hiss_of_a_line_are_none(rate_hz: int) -> None:
    dice = random.Random(1)
    hiss = struct.pack(f"<{rate_hz * 3}h", *(int(dice.gauss(0, 20)) for _ in range(rate_hz * 3)))
    assert not heard(bytes(rate_hz * 2 * 3), rate_hz).heard_voice
    assert not heard(hiss, rate_hz).heard_voice


def test_a_syllable_too_short_to_be_speech_is_none(spoken: Spoken) -> None:
    assert not heard(pcm(spoken.wide)[16_000:20_000], 16_000).heard_voice


def test_at_other_rates_a_person_has_to_look() -> None:
    assert heard(bytes(44_100), 44_100).heard_voice
    assert not heard(bytes(44_100), 44_100).cut_off


@pytest.mark.parametrize(("kind", "rate_hz"), KINDS)
def test_a_sound_that_ends_in_mid_speech_was_cut_off(
    kind: str, rate_hz: int, sentences: list[Spoken]
) -> None:
    sounds = [pcm(getattr(one, kind)) for one in sentences]
    assert not any(heard(whole, rate_hz).cut_off for whole in sounds)
    cuts = [whole[: len(whole) // 20 * 2 * n] for whole in sounds for n in (3, 4, 5, 6, 7)]
    assert all(heard(cut, rate_hz).cut_off for cut in cuts)


def test_sound_far_too_loud_is_clipped_and_a_little_too_loud_is_not(spoken: Spoken) -> None:
    for kind, rate_hz in KINDS:
        sound = pcm(getattr(spoken, kind))
        assert not heard(louder(sound, 1.0), rate_hz).clipped
        assert not heard(louder(sound, 1.5), rate_hz).clipped
        assert heard(louder(sound, 6.0), rate_hz).clipped


def test_the_loudest_steps_of_g711_count_as_full_scale() -> None:
    for loudest in (32_124, 32_256):
        square = struct.pack("<2h", loudest, -loudest) * 8_000
        assert heard(square, 8_000).clipped
    assert not heard(struct.pack("<2h", 31_000, -31_000) * 8_000, 8_000).clipped
