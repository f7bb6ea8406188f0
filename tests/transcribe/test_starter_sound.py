"""From a spoken sentence to labelled frames, and what a call does to its sound."""

from __future__ import annotations

import wave
from pathlib import Path
from random import Random

import numpy as np
import pytest

from tests.transcribe.conftest import ffmpeg
from transcribe.starter import alignment, phones, sound
from transcribe.starter.alignment import Aligner, Mark
from transcribe.starter.voices import Phoneme, Spoken

SYLLABLES = {"ting2": ("th", "i", "N"), "shui3": ("s.", "w", "ei"), "er2": ("@r",)}


class Speaker:
    """Says single syllables as SYLLABLES has them."""

    def speak(self, text: str, _manner: object) -> Spoken:
        group = [Phoneme(10 * number, name) for number, name in enumerate(SYLLABLES[text])]
        return Spoken(np.zeros(22_050, np.int16), [group])


def spoken(*words: list[tuple[int, str]]) -> Spoken:
    """One second of sound with these phonemes (ms, name)."""
    groups = [[Phoneme(ms, name) for ms, name in word] for word in words]
    return Spoken(np.zeros(22_050, np.int16), groups)


TING_SHUI = [(40, "th"), (90, "'i"), (200, "N"), (310, "s."), (400, "w"), (480, ",ei")]


@pytest.fixture
def aligner() -> Aligner:
    return Aligner(Speaker())  # type: ignore[arg-type]


def test_units_begin_where_the_voice_says_so(aligner: Aligner) -> None:
    said = spoken([*TING_SHUI, (700, "_:")])
    assert aligner.marks([("ting2", "shui3")], said) == [
        (0.0, "SIL"),
        (40.0, "t"),
        (90.0, "ing2"),
        (310.0, "sh"),
        (400.0, "uei3"),
        (700.0, "SIL"),
    ]


def test_a_short_pause_belongs_to_the_word_after_it(aligner: Aligner) -> None:
    said = spoken([*TING_SHUI[:3], (310, "_|")], [(350, "@r"), (700, "_:")])
    marks = aligner.marks([("ting2",), ("er2",)], said)
    assert marks is not None
    assert (310.0, "er2") in marks


def test_a_long_pause_is_silence(aligner: Aligner) -> None:
    said = spoken([*TING_SHUI[:3], (310, "_|")], [(600, "@r"), (700, "_:")])
    marks = aligner.marks([("ting2",), ("er2",)], said)
    assert marks is not None
    assert marks[3:5] == [(310.0, "SIL"), (600.0, "er2")]


def test_a_word_that_the_voice_reads_otherwise_is_not_learnt_from(aligner: Aligner) -> None:
    wrong = [(ms, name.replace("ei", "a")) for ms, name in TING_SHUI]
    assert aligner.marks([("ting2", "shui3")], spoken(wrong)) is None


def test_another_number_of_words_is_not_learnt_from(aligner: Aligner) -> None:
    assert aligner.marks([("ting2",), ("shui3",)], spoken(TING_SHUI)) is None


MARKS: list[Mark] = [(0.0, "SIL"), (100.0, "t"), (104.0, "ing2"), (500.0, "SIL")]


def test_every_unit_has_a_frame_however_short_it_is() -> None:
    found = alignment.labels(MARKS, 20)
    assert found is not None
    firsts = [phones.outputs_of(unit)[0] for _, unit in MARKS]
    assert [label for label in found.tolist() if label % 2 == 0] == firsts


def test_a_frame_is_labelled_by_what_sounds_in_its_middle() -> None:
    found = alignment.labels([(0.0, "SIL"), (162.0, "er2")], 10)
    assert found is not None
    first, further = phones.outputs_of("er2")
    assert found.tolist()[4:7] == [1, first, further]  # middles: 132.5, 162.5, 192.5 ms


def test_sound_too_short_for_its_units_is_refused() -> None:
    assert alignment.labels(MARKS, 3) is None


def test_marks_move_with_the_silence_before_and_the_speed() -> None:
    clean = np.ones(16_000)
    padded, moved = sound.between_silences(clean, [(0.0, "t"), (500.0, "ing2")], 8_000, 160, 1.25)
    assert len(padded) == 8_000 + 16_000 + 160
    assert moved == [(0.0, "SIL"), (500.0, "t"), (900.0, "ing2")]


def test_the_rate_becomes_16_khz_and_the_tone_stays() -> None:
    tone = (8_000 * np.sin(2 * np.pi * 440 * np.arange(22_050) / 22_050)).astype(np.int16)
    made = sound.at_16_khz(tone)
    spectrum = np.abs(np.fft.rfft(made))
    assert len(made) == 16_000
    assert abs(int(spectrum.argmax()) - 440) <= 1


def test_speed_makes_the_sound_shorter_and_higher() -> None:
    tone = (8_000 * np.sin(2 * np.pi * 400 * np.arange(22_050) / 22_050)).astype(np.int16)
    made = sound.at_16_khz(tone, 1.1)
    peak_hz = np.abs(np.fft.rfft(made)).argmax() * 16_000 / len(made)
    assert len(made) == pytest.approx(16_000 / 1.1, abs=2)
    assert peak_hz == pytest.approx(440, abs=2)


def test_the_line_sounds_as_a_real_g711_line(tmp_path: Path) -> None:
    clean = np.round(6_000 * np.sin(2 * np.pi * 300 * np.arange(8_000) / 8_000))
    with wave.open(str(tmp_path / "clean.wav"), "wb") as out:
        out.setparams((1, 2, 8_000, 0, "NONE", ""))
        out.writeframes(clean.astype("<i2").tobytes())
    ffmpeg("-i", tmp_path / "clean.wav", "-c:a", "pcm_alaw", tmp_path / "line.wav")
    ffmpeg("-i", tmp_path / "line.wav", "-c:a", "pcm_s16le", tmp_path / "back.wav")
    with wave.open(str(tmp_path / "back.wav"), "rb") as back:
        real = np.frombuffer(back.readframes(8_000), "<i2").astype(np.float64)
    ours = sound.a_law(clean)
    assert loss(clean, ours) == pytest.approx(loss(clean, real), rel=0.25)


def loss(clean: np.ndarray, heard: np.ndarray) -> float:
    """Root of the mean square of what the line added."""
    return float(np.sqrt(np.mean((heard - clean) ** 2)))


def test_disturbed_sound_keeps_its_length_and_repeats_with_its_seed() -> None:
    clean = 3_000 * np.sin(2 * np.pi * 200 * np.arange(16_001) / 16_000)

    def disturbed() -> list[list[float]]:
        maker = sound.Disturber(Random(7), np.random.default_rng(7))
        return [maker.disturb(clean).tolist() for _ in range(12)]

    first = disturbed()
    assert first == disturbed()
    assert {len(one) for one in first} == {16_001}
    assert all(-32_768 <= value <= 32_767 and value == int(value) for value in first[0])
    assert len({tuple(one) for one in first}) == 12
