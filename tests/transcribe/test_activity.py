"""Empty text is not silence: the voice meter tells them apart."""

from __future__ import annotations

import random
import struct

import pytest

from tests.transcribe.conftest import Spoken, pcm
from transcribe.activity import VoiceMeter


def voice_in(samples: bytes, rate_hz: int) -> bool:
    meter = VoiceMeter(rate_hz)
    for start in range(0, len(samples), 3_200):
        meter.keep(samples[start : start + 3_200])
    return meter.heard_voice()


@pytest.mark.parametrize(("kind", "rate_hz"), [("wide", 16_000), ("telephone", 8_000)])
def test_a_voice_is_a_voice(kind: str, rate_hz: int, spoken: Spoken) -> None:
    assert voice_in(pcm(getattr(spoken, kind)), rate_hz)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
def test_digital_silence_and_the_hiss_of_a_line_are_none(rate_hz: int) -> None:
    dice = random.Random(1)
    hiss = struct.pack(f"<{rate_hz * 3}h", *(int(dice.gauss(0, 20)) for _ in range(rate_hz * 3)))
    assert not voice_in(bytes(rate_hz * 2 * 3), rate_hz)
    assert not voice_in(hiss, rate_hz)


def test_a_syllable_too_short_to_be_speech_is_none(spoken: Spoken) -> None:
    assert not voice_in(pcm(spoken.wide)[16_000:20_000], 16_000)


def test_at_other_rates_a_person_has_to_look() -> None:
    assert voice_in(bytes(44_100), 44_100)
