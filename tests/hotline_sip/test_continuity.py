"""Which phones send through silence, told by their packets alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotline.sip import g711, rtp
from hotline.sip.continuity import STILL_PEAK, Continuity
from tests.hotline_sip.conftest import voice

FRAMES = 160  # 3.2 s
STILL = g711.SILENCE["PCMA"]
HUM = g711.encode("PCMA", np.tile(np.array([1500, -1500], "<i2"), 80).tobytes())


class Sent(NamedTuple):
    """What a phone does in 20 ms: it sends something, or nothing (None)."""

    payload: bytes | None
    lost: bool = False


def heard(frames: Iterable[Sent], into: Continuity | None = None) -> Continuity:
    continuity, stream = into or Continuity(), rtp.Stream()
    for frame in frames:
        if frame.payload is None:
            stream.skip(g711.FRAME_SAMPLES)
            continue
        packet = rtp.parse(stream.packet(8, frame.payload, g711.FRAME_SAMPLES))
        assert packet is not None
        if not frame.lost:
            continuity.hear("PCMA", packet)
    return continuity


def speech() -> list[Sent]:
    return [Sent(payload) for payload in g711.frames("PCMA", voice(1).tobytes())]


def test_a_phone_that_sent_through_a_silence_sends_always() -> None:
    assert heard([*speech(), *[Sent(STILL)] * FRAMES]).sends_silence


def test_lost_packets_are_no_pause() -> None:
    frames = [Sent(STILL, lost=number % 5 == 2) for number in range(FRAMES)]
    assert heard(frames).sends_silence


@pytest.mark.parametrize("payload", [HUM, None])
def test_noise_or_nothing_after_the_words_shows_nothing(payload: bytes | None) -> None:
    assert not heard([*speech(), *[Sent(payload)] * FRAMES, *speech()]).sends_silence


def test_the_end_of_a_word_that_is_sent_on_for_a_second_shows_nothing() -> None:
    said = [*speech(), *[Sent(STILL)] * 50, *[Sent(None)] * 100]
    assert not heard(said * 5).sends_silence


def test_one_pause_is_enough_to_be_unsure_again() -> None:
    frames = [*[Sent(STILL)] * FRAMES, *[Sent(None)] * 30, *[Sent(STILL)] * FRAMES]
    assert not heard(frames).sends_silence


def test_another_phone_on_the_line_shows_it_anew() -> None:
    continuity = heard([Sent(STILL)] * FRAMES)
    assert not heard([Sent(STILL)] * 2, into=continuity).sends_silence


@given(st.sampled_from(["PCMA", "PCMU"]), st.integers(-32768, 32767))
def test_quiet_codes_are_those_of_quiet_samples(law: g711.Codec, sample: int) -> None:
    code = g711.encode(law, np.array([sample], "<i2").tobytes())
    decoded = int(np.frombuffer(g711.decode(law, code), "<i2")[0])
    assert (code in g711.quiet_codes(law, STILL_PEAK)) == (abs(decoded) <= STILL_PEAK)
