"""A correction keeps the times of the words it left alone."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from transcribe.align import TextWord, align
from transcribe.recogniser import Word

HEARD = [
    Word("我家", 0, 480, 1.0),
    Word("停水", 480, 1110, 0.9),
    Word("两天", 1110, 1710, 0.8),
    Word("了", 1710, 1860, 0.7),
]


def test_an_unchanged_text_keeps_everything() -> None:
    assert align(HEARD, "我家停水两天了") == [
        TextWord(word.text, word.start_ms, word.end_ms, word.confidence) for word in HEARD
    ]


def test_a_replaced_word_takes_the_time_of_what_it_replaces_and_has_no_confidence() -> None:
    assert align(HEARD, "我家停电两天了") == [
        TextWord("我家", 0, 480, 1.0),
        TextWord("停电", 480, 1110, None),
        TextWord("两天", 1110, 1710, 0.8),
        TextWord("了", 1710, 1860, 0.7),
    ]


def test_an_inserted_mark_takes_no_time() -> None:
    words = align(HEARD, "我家停水，两天了。")
    assert [(w.text, w.start_ms, w.end_ms, w.confidence) for w in words][2:3] == [
        ("，", 1110, 1110, None)
    ]
    assert words[-1] == TextWord("。", 1860, 1860, None)
    assert words[1] == TextWord("停水", 480, 1110, 0.9)


def test_a_removed_word_is_gone_and_its_neighbours_stay() -> None:
    assert [(w.text, w.start_ms) for w in align(HEARD, "我家两天了")] == [
        ("我家", 0),
        ("两天", 1110),
        ("了", 1710),
    ]


def test_text_before_everything_starts_at_zero_and_an_empty_text_has_no_words() -> None:
    assert align(HEARD, "你好我家停水两天了")[0] == TextWord("你好", 0, 0, None)
    assert align(HEARD, "") == []
    assert align([], "全是人写的") == [TextWord("全是人写的", 0, 0, None)]


def test_a_word_torn_apart_is_not_the_heard_word_any_more() -> None:
    words = align(HEARD, "我的家停水两天了")
    assert words[0] == TextWord("我的家", 0, 480, None)


syllables = st.text("我家停水两天了的", max_size=3).filter(bool)


@given(st.lists(syllables, max_size=12), st.text("我家停水两天了的， \n", max_size=40))
def test_the_pieces_are_the_text_and_time_never_runs_back(heard: list[str], text: str) -> None:
    words = [Word(one, 100 * i, 100 * i + 90, 0.5) for i, one in enumerate(heard)]
    pieces = align(words, text)
    assert "".join(piece.text for piece in pieces) == text
    times = [time for piece in pieces for time in (piece.start_ms, piece.end_ms)]
    assert times == sorted(times)
    for piece in pieces:
        if piece.confidence is not None:
            assert any((w.text, w.start_ms) == (piece.text, piece.start_ms) for w in words)


SYLLABLES = "我家停水两天了请派人来看看村里的路灯坏好几"


def long_text(characters: int) -> list[str]:
    dice = random.Random(5)
    return [dice.choice(SYLLABLES) for _ in range(characters)]


def long_words(text: list[str]) -> list[Word]:
    return [Word(one, i * 200, i * 200 + 190, 0.9) for i, one in enumerate(text)]


def test_a_long_talk_keeps_the_times_of_all_that_was_not_touched() -> None:
    text = long_text(30_000)
    edited = "".join("改" if i % 50 == 0 else one for i, one in enumerate(text))
    pieces = align(long_words(text), edited)
    assert "".join(piece.text for piece in pieces) == edited
    assert sum(piece.confidence is None for piece in pieces) == 600
    assert [piece.start_ms for piece in pieces] == [i * 200 for i in range(30_000)]


def test_a_paragraph_taken_out_of_a_long_talk_leaves_the_rest_in_place() -> None:
    text = long_text(5_000)
    pieces = align(long_words(text), "".join(text[:1_000] + text[3_000:]))
    assert [piece.start_ms for piece in pieces] == [
        i * 200 for i in (*range(1_000), *range(3_000, 5_000))
    ]


def test_a_long_text_written_anew_is_one_typed_piece_over_the_whole_time() -> None:
    text = long_text(2_000)
    assert align(long_words(text), "新" * 2_000) == [TextWord("新" * 2_000, 0, 399_990, None)]


def test_a_word_keeps_its_side_of_the_call_and_a_typed_one_takes_that_of_what_it_replaces() -> None:
    heard = [TextWord("你好", 0, 400, 0.9, 0), TextWord("停电", 500, 900, 0.4, 1)]
    assert [word.side for word in align(heard, "你好停水")] == [0, 1]
    assert [word.to_json().get("side", "none") for word in align(heard, "你好停水")] == [0, 1]
    assert "side" not in align(HEARD, "我家")[0].to_json()
