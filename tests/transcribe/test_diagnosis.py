"""Why there are no words, in codes that pages know; thresholds hold for real sound."""

from __future__ import annotations

import array
import random
from pathlib import Path

import pytest

from tests.transcribe.conftest import Spoken, pcm, write_wav
from tests.transcribe.test_activity import louder
from tests.transcribe.vosk_process import in_a_process, text_of
from transcribe import diagnosis
from transcribe.recogniser import Word


class Facts:
    """Of a sound, as Activity gives them."""

    def __init__(
        self, *, heard_voice: bool = True, clipped: bool = False, cut_off: bool = False
    ) -> None:
        self.heard_voice, self.clipped, self.cut_off = heard_voice, clipped, cut_off


SURE = (Word("停水", 0, 500, 0.95),) * 3


def test_without_words_the_reason_is_the_first_that_fits() -> None:
    def of(facts: Facts, duration_ms: int = 5_000, rate_hz: int | None = None) -> str | None:
        return diagnosis.explain((), facts, duration_ms, rate_hz)[0]

    assert of(Facts(heard_voice=False, clipped=True, cut_off=True)) == "silent"
    assert of(Facts(clipped=True, cut_off=True), rate_hz=8_000) == "wrong_rate"
    assert of(Facts(clipped=True, cut_off=True), 1_000) == "clipped"
    assert of(Facts(cut_off=True), 1_000) == "cut_off"
    assert of(Facts(cut_off=True), 30_000) == "not_understood"
    assert of(Facts()) == "not_understood"


def test_beside_words_the_same_facts_are_remarks() -> None:
    assert diagnosis.explain(SURE, Facts(), 5_000, None) == (None, ())
    found = diagnosis.explain(SURE, Facts(clipped=True, cut_off=True), 5_000, 8_000)
    assert found == (None, ("wrong_rate:8000", "clipped", "cut_off"))
    assert [diagnosis.parts(remark) for remark in found[1]] == [
        ("wrong_rate", 8_000),
        ("clipped", None),
        ("cut_off", None),
    ]


def test_another_rate_must_be_clearly_right_and_much_better() -> None:
    doubtful = (Word("停水", 0, 500, 0.7),) * 3
    assert diagnosis.clearer(SURE, ())
    assert diagnosis.clearer(SURE, doubtful)
    assert not diagnosis.clearer(SURE[:2], ())
    assert not diagnosis.clearer(doubtful, ())
    assert not diagnosis.clearer((Word("停水", 0, 500, 0.81),) * 3, doubtful)
    assert [diagnosis.doubtful(words) for words in ((), doubtful, SURE)] == [True, True, False]


def test_other_rates_are_the_double_and_the_half_that_a_decoder_takes() -> None:
    assert diagnosis.other_rates(16_000) == [32_000, 8_000]
    assert diagnosis.other_rates(8_000) == [16_000]
    assert diagnosis.other_rates(48_000) == [24_000]


def hear(*files: Path) -> list[dict[str, object]]:
    found = in_a_process("show([hear([pcm(p)[0]], pcm(p)[1]) for p in sys.argv[2:]])", *files)
    assert isinstance(found, list)
    return found


def test_a_header_that_lies_about_the_rate_is_found_out_and_the_rate_named(
    sentences: list[Spoken], tmp_path: Path
) -> None:
    for number, one in enumerate(sentences):
        slow = write_wav(tmp_path / f"{number}-slow.wav", pcm(one.wide), 8_000)
        fast = write_wav(tmp_path / f"{number}-fast.wav", pcm(one.telephone), 16_000)
        true = [hear(path)[0]["remarks"] for path in (slow, fast, one.wide, one.telephone)]
        assert true == [["wrong_rate:16000"], ["wrong_rate:8000"], [], []]


def test_clean_sound_gets_no_remark_overdriven_and_broken_off_sound_does(
    spoken: Spoken, tmp_path: Path
) -> None:
    sound = pcm(spoken.telephone)
    loud = write_wav(tmp_path / "loud.wav", louder(sound, 6.0), 8_000)
    cut = write_wav(tmp_path / "cut.wav", sound[: len(sound) // 20 * 2 * 5], 8_000)
    found = hear(spoken.telephone, loud, cut)
    assert [one["remarks"] for one in found] == [[], ["clipped"], ["cut_off"]]
    assert all(one["diagnosis"] is None and text_of(one) for one in found)


def test_silence_is_silent_and_the_hiss_of_a_line_is_silent_too(tmp_path: Path) -> None:
    dice = random.Random(2)
    hiss = array.array("h", (int(dice.gauss(0, 20)) for _ in range(8_000 * 4))).tobytes()
    quiet = write_wav(tmp_path / "quiet.wav", bytes(8_000 * 2 * 4), 8_000)
    found = hear(quiet, write_wav(tmp_path / "hiss.wav", hiss, 8_000))
    assert [(one["diagnosis"], one["remarks"]) for one in found] == [("silent", [])] * 2


@pytest.mark.parametrize("rate_hz", [11_025, 22_050, 44_100])
def test_rates_no_voice_detector_takes_are_decoded_whole(rate_hz: int, tmp_path: Path) -> None:
    [found] = hear(write_wav(tmp_path / "odd.wav", bytes(rate_hz * 2 * 3), rate_hz))
    assert (found["diagnosis"], found["duration_ms"]) == ("not_understood", 3_000)
