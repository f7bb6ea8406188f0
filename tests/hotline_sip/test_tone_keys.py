"""Keys as sound are heard on any line that Q.24 describes, and never in a voice."""

from __future__ import annotations

import itertools
import wave

import numpy as np
import pytest

from hotline.sip import g711
from hotline.sip.tone_keys import COLUMNS_HZ, KEYPAD, ROWS_HZ, ToneKeys
from tests.conftest import CLIPS
from tests.hotline_sip.conftest import voice

FULL_DBM0 = 3.14
"""Level of the loudest sine that A-law holds (amplitude 32124)."""


def tone(
    key: str,
    *,
    dbm0: float = -10,
    ms: float = 40,
    off: tuple[float, float] = (0, 0),
    twist_db: float = 0,
) -> np.ndarray:
    """``key`` at ``dbm0`` each tone; a positive twist weakens the lower, a negative the higher."""
    index = KEYPAD.index(key)
    time_s = np.arange(int(ms * 8)) / 8000
    amplitude = 32124 * 10 ** ((dbm0 - FULL_DBM0) / 20)
    row = ROWS_HZ[index // 3] * (1 + off[0])
    column = COLUMNS_HZ[index % 3] * (1 + off[1])
    return amplitude * (
        10 ** (-max(twist_db, 0) / 20) * np.sin(2 * np.pi * row * time_s)
        + 10 ** (min(twist_db, 0) / 20) * np.sin(2 * np.pi * column * time_s + 1)
    )


def pause(ms: float) -> np.ndarray:
    return np.zeros(int(ms * 8))


def heard(*parts: np.ndarray, packet: int = 160, noise: float = 0) -> str:
    """The keys found after A-law, in packets of ``packet`` samples."""
    sound = np.concatenate(parts) + np.random.default_rng(5).normal(0, noise, sum(map(len, parts)))
    samples = np.clip(np.round(sound), -32768, 32767).astype("<i2").tobytes()
    pcm, keys = g711.decode("PCMA", g711.encode("PCMA", samples)), ToneKeys()
    return "".join(keys.hear(pcm[at : at + 2 * packet]) for at in range(0, len(pcm), 2 * packet))


@pytest.mark.parametrize("key", KEYPAD)
@pytest.mark.parametrize("dbm0", [-3, -10, -20, -30])
def test_each_key_is_heard_at_every_level_and_moment(key: str, dbm0: float) -> None:
    for start_ms in range(0, 20, 3):
        parts = (pause(start_ms), tone(key, dbm0=dbm0), pause(40), tone(key, dbm0=dbm0), pause(50))
        assert heard(*parts) == key * 2


@pytest.mark.parametrize("key", KEYPAD)
def test_phones_that_are_off_by_a_little_are_understood(key: str) -> None:
    for off in itertools.product((-0.015, 0, 0.015), repeat=2):
        for twist_db in (-6, 0, 6):
            assert heard(pause(7), tone(key, off=off, twist_db=twist_db), pause(50)) == key


@pytest.mark.parametrize("key", KEYPAD)
def test_noise_on_the_line_does_not_hide_a_key(key: str) -> None:
    pressed = tone(key, dbm0=-20, ms=80)
    noise = float(np.sqrt((pressed**2).mean())) * 10 ** (-15 / 20)
    assert heard(pause(100), pressed, pause(100), noise=noise) == key


@pytest.mark.parametrize("packet", [80, 160, 240, 480])
def test_packets_of_any_length_do(packet: int) -> None:
    parts = [part for key in KEYPAD for part in (tone(key, ms=60), pause(60))]
    assert heard(*parts, pause(60), packet=packet) == KEYPAD


def test_a_long_key_and_one_with_a_hole_is_pressed_once() -> None:
    assert heard(tone("5", ms=3000), pause(50)) == "5"
    assert heard(tone("5", ms=60), pause(10), tone("5", ms=60), pause(50)) == "5"


def test_what_is_too_short_or_too_far_off_is_no_key() -> None:
    for start in range(0, 20, 3):
        assert heard(pause(start), tone("5", ms=22), pause(50)) == ""
        assert heard(pause(start), tone("5", ms=80, off=(0.035, 0)), pause(50)) == ""
        assert heard(pause(start), tone("5", ms=80, off=(0, -0.035)), pause(50)) == ""


def test_one_tone_alone_and_noise_are_no_key() -> None:
    time_s = np.arange(8000) / 8000
    for hertz in (440, *ROWS_HZ, *COLUMNS_HZ):
        assert heard(8000 * np.sin(2 * np.pi * hertz * time_s)) == ""
    assert heard(pause(2000), noise=3000) == ""
    assert heard(voice(5).astype(float)) == ""


@pytest.mark.skipif(not CLIPS.is_dir(), reason="no recordings of people here")
@pytest.mark.parametrize("speed", [0.8, 1.0, 1.25])
@pytest.mark.parametrize("gain_db", [0, 18])
def test_nobody_presses_a_key_by_speaking(speed: float, gain_db: float) -> None:
    for path in sorted(CLIPS.glob("*.wav")):
        with wave.open(str(path)) as sound:
            spoken = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(float)
            rate_hz = sound.getframerate() * speed
        places = np.arange(int(len(spoken) * 8000 / rate_hz)) * rate_hz / 8000
        line = np.interp(places, np.arange(len(spoken)), spoken)
        assert heard(line * 10 ** (gain_db / 20)) == "", path.name
