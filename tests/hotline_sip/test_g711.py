"""Both laws, sample by sample."""

from __future__ import annotations

import numpy as np
import pytest

from hotline.sip import g711
from hotline.sip.g711 import Codec

CODECS: list[Codec] = ["PCMA", "PCMU"]
EVERY_CODE = bytes(range(256))


def samples(pcm: bytes) -> np.ndarray:
    return np.frombuffer(pcm, "<i2").astype(int)


@pytest.mark.parametrize("codec", CODECS)
def test_every_code_survives_a_round_trip_in_value(codec: Codec) -> None:
    decoded = g711.decode(codec, EVERY_CODE)
    assert g711.decode(codec, g711.encode(codec, decoded)) == decoded


@pytest.mark.parametrize("codec", CODECS)
def test_each_sample_gets_the_nearest_value(codec: Codec) -> None:
    every = np.arange(-32768, 32768).astype("<i2")
    values = samples(g711.decode(codec, EVERY_CODE))
    chosen = samples(g711.decode(codec, g711.encode(codec, every.tobytes())))
    sorted_values = np.unique(values)
    right = np.clip(np.searchsorted(sorted_values, every), 1, sorted_values.size - 1)
    best = np.minimum(
        np.abs(every - sorted_values[right]), np.abs(every - sorted_values[right - 1])
    )
    assert np.array_equal(np.abs(every - chosen), best)


@pytest.mark.parametrize(
    ("codec", "code", "value"),
    [("PCMA", 0xD5, 8), ("PCMA", 0x55, -8), ("PCMA", 0xAA, 32256), ("PCMA", 0x2A, -32256),
     ("PCMU", 0xFF, 0), ("PCMU", 0x80, 32124), ("PCMU", 0x00, -32124), ("PCMU", 0xF0, 120)],
)  # fmt: skip
def test_known_values_of_the_standard(codec: Codec, code: int, value: int) -> None:
    assert samples(g711.decode(codec, bytes([code])))[0] == value


@pytest.mark.parametrize("codec", CODECS)
def test_the_last_frame_is_filled_with_silence(codec: Codec) -> None:
    frames = g711.frames(codec, bytes(2 * 200))
    assert [len(frame) for frame in frames] == [160, 160]
    assert frames[1][40:] == g711.SILENCE[codec][:120]
