"""Pauses become commas and full stops, measured in the speaker's own syllables."""

from __future__ import annotations

import pytest

from tests.transcribe.test_normalise import SYLLABLE_MS, said
from transcribe import punctuate
from transcribe.align import TextWord


@pytest.mark.parametrize(
    ("rest_syllables", "mark"), [(0, ""), (0.1, ""), (0.5, "，"), (0.95, "，"), (1.03, "。")]
)
def test_the_length_of_a_rest_makes_the_mark(rest_syllables: float, mark: str) -> None:
    words = said("停 水 了 没 电", {3: round(rest_syllables * SYLLABLE_MS)})
    assert punctuate.marks(words) == ["", "", mark, "", "。"]


def test_a_slow_speakers_rests_count_as_a_slow_speakers() -> None:
    quick = said("停 水 了 没 电", {3: 150})
    slow = [TextWord(w.text, 2 * w.start_ms, 2 * w.end_ms, None) for w in quick]
    assert punctuate.marks(slow) == punctuate.marks(quick)


def test_the_end_of_an_utterance_is_the_end_of_a_sentence() -> None:
    assert punctuate.marks(said("停 水 了 没 电"), [3]) == ["", "", "。", "", "。"]


def test_nobody_writes_a_comma_after_a_word_that_leans_on_the_next() -> None:
    assert punctuate.marks(said("我 家 的 水", {3: 120})) == ["", "", "", "。"]


@pytest.mark.parametrize(
    ("sentence", "mark"),
    [
        ("你们 能 去 看看 吗", "？"),
        ("什么 时候 交", "？"),
        ("你们 管 不管", "？"),
        ("怎么 办 呢", "？"),
        ("还 在 修 呢", "。"),
        ("不知道 什么 时候 修", "。"),
        ("请 派 人 来", "。"),
    ],
)
def test_a_question_ends_with_a_question_mark(sentence: str, mark: str) -> None:
    assert punctuate.marks(said(sentence))[-1] == mark
