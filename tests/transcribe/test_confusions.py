"""Which words go wrong: said against heard, numbers never shown."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcribe import confusions
from transcribe.align import TextWord

CHARACTERS = st.text("村口路灯坏了停水三八一二五", max_size=30)
WORDS = st.lists(st.text("村口路灯坏勒听水三八一二五", min_size=1, max_size=3), max_size=12)


@pytest.mark.parametrize(
    ("said", "heard", "expected"),
    [
        ("村口路灯坏了。", ["村口", "路灯", "坏了"], []),
        ("村口路灯坏了", ["村口", "路等", "坏勒"], [("路灯", "路等"), ("坏了", "坏勒")]),
        ("我家停水", ["我", "家庭", "水"], [("家停", "家庭")]),
        ("停水", ["停水", "了"], [("", "了")]),
        ("石桥村停水", ["村", "停水"], [("石桥村", "村")]),
    ],
)
def test_a_wrong_word_stands_beside_what_was_said(
    said: str, heard: list[str], expected: list[tuple[str, str]]
) -> None:
    assert confusions.confused(said, heard) == expected


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("电话13812345678", ["电话", "幺三八", "一二山", "四五六七八"]),
        ("电话没说", ["电话", "幺三八幺"]),
    ],
)
def test_no_part_of_a_number_is_shown(said: str, heard: list[str]) -> None:
    shown = "".join(piece for pair in confusions.confused(said, heard) for piece in pair)
    assert not re.search("[一三四五六七八幺山]", shown)


@given(CHARACTERS, WORDS)
def test_whatever_was_heard_is_compared(said: str, heard: list[str]) -> None:
    for piece, word in confusions.confused(said, heard):
        assert piece != word or piece == confusions.HIDDEN


@given(WORDS)
def test_right_words_are_no_confusion(heard: list[str]) -> None:
    assert confusions.confused("".join(heard), heard) == []


def test_the_commonest_confusion_comes_first_with_examples() -> None:
    pairs = [(number, "路灯坏了", ["路等", "坏了"]) for number in range(1, 6)]
    first, second = confusions.tally([*pairs, (9, "停水", ["听水"])])
    assert (first.said, first.heard, first.count, first.examples) == ("路灯", "路等", 5, [1, 2, 3])
    assert (second.said, second.count) == ("停水", 1)


def test_each_heard_word_is_right_or_wrong() -> None:
    words = [TextWord("村口", 0, 300, 0.9), TextWord("路等", 300, 600, 0.3)]
    assert confusions.outcomes(words, "村口，路灯") == [(0.9, True), (0.3, False)]
