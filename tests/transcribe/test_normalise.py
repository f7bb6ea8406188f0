"""Readable text: every character leads back to its words, and nothing makes it fall over."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from transcribe import normalise
from transcribe.align import TextWord
from transcribe.normalise import Correction

MARKS = "，。？ "
SYLLABLE_MS = 200
ALPHABET = "零一二两三四五六七八九十百千万亿点半号月年块元第几多幺洞拐呃嗯吗村路ab1389０ ，。\n"


def said(text: str, rests_ms: dict[int, int] | None = None) -> list[TextWord]:
    """Words parted by blanks, 200 ms a character; ``rests_ms``: silence before a word."""
    words, at_ms = [], 0
    for index, part in enumerate(text.split(" ")):
        at_ms += (rests_ms or {}).get(index, 0)
        words.append(TextWord(part, at_ms, at_ms + SYLLABLE_MS * len(part), 1.0))
        at_ms = words[-1].end_ms
    return words


def test_a_sentence_reads_as_people_write_it() -> None:
    words = said("二零 二六年 十一月 三号 晚上 七点 半 停 水 罚 了 三千 五百 块", {7: 120})
    assert normalise.readable(words).text == "2026年11月3号晚上7点半，停水罚了3500块。"


def test_a_click_on_a_number_finds_the_words_it_was_said_with() -> None:
    words = said("罚 了 三千 五百 块")
    found = normalise.readable(words)
    assert found.text == "罚了3500块。"
    assert found.spans == ((0, 1, 0, 1), (1, 2, 1, 2), (2, 6, 2, 4), (6, 7, 4, 5))


def test_the_rests_within_a_telephone_number_are_no_commas() -> None:
    words = said("电话 幺三八 零零幺三 八零零零 谢谢", {1: 150, 2: 150, 3: 300, 4: 300})
    assert normalise.readable(words).text == "电话，13800138000。谢谢。"


def test_latin_words_keep_their_space_and_chinese_words_have_none() -> None:
    assert normalise.readable(said("我家 的 wifi router 坏 了")).text == "我家的wifi router坏了。"
    assert normalise.of_text("我 家的 wifi  router 坏了") == "我家的wifi router坏了"


def test_an_utterance_ends_with_a_full_stop_however_short_the_silence() -> None:
    assert normalise.readable(said("停 水 了 没 电"), [3]).text == "停水了。没电。"


def test_names_of_places_are_no_numbers() -> None:
    words = said("我 是 六亩村 的")
    assert normalise.readable(words).text == "我是6亩村的。"
    assert normalise.readable(words, names=["六亩村"]).text == "我是六亩村的。"


def test_a_repaired_name_is_read_and_the_map_still_fits() -> None:
    words = said("我 是 杨 没到 村 的")
    found = normalise.readable(words, corrections=[Correction(2, 5, "杨没到村", "杨梅岙村")])
    assert found.text == "我是杨梅岙村的。"
    assert (2, 6, 2, 5) in found.spans
    assert (6, 7, 5, 6) in found.spans


def test_typed_lines_stay_lines() -> None:
    assert normalise.of_text("欠我 三千五百块\n请 还 我") == "欠我3500块\n请还我"


def test_words_without_text_belong_to_a_neighbour() -> None:
    found = normalise.readable([TextWord(text, 0, 0, None) for text in ("", "水", " ", "")])
    assert (found.text, found.spans) == ("水。", ((0, 1, 0, 4),))
    assert normalise.readable([TextWord(" ", 0, 0, None)]).spans == ((0, 0, 0, 1),)
    assert normalise.readable([]) == normalise.Readable("", ())


words = st.lists(
    st.builds(
        TextWord,
        st.text(ALPHABET, max_size=6) | st.text(max_size=4),
        st.integers(0, 90_000),
        st.integers(0, 90_000),
        st.none(),
    ),
    max_size=12,
)


@given(words, st.sets(st.integers(0, 12)))
def test_every_character_is_punctuation_or_leads_to_words_and_every_word_is_covered(
    heard: list[TextWord], ends: set[int]
) -> None:
    found = normalise.readable(heard, ends)
    covered, place = 0, 0
    for start, end, first, after in found.spans:
        assert place <= start <= end
        assert set(found.text[place:start]) <= set(MARKS)
        assert first == covered < after
        covered, place = after, end
    assert covered == len(heard)
    assert set(found.text[place:]) <= set(MARKS)


@given(words, st.sets(st.integers(0, 12)))
def test_reading_what_was_made_readable_changes_nothing(
    heard: list[TextWord], ends: set[int]
) -> None:
    text = normalise.readable(heard, ends).text
    assert normalise.of_text(text) == text


@given(st.text(ALPHABET) | st.text())
def test_typed_text_is_read_once(text: str) -> None:
    once = normalise.of_text(text)
    assert normalise.of_text(once) == once
