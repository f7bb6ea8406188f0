"""One form of writing and the sound of each character: what search is built on."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from transcribe import grams

TEXTS = st.text(
    st.sampled_from("停听水谁银行航还换钱了的不大长重路灯绿3０AaＢé，。 \n·") | st.characters(),
    max_size=30,
)


@settings(deadline=None)
@given(TEXTS, TEXTS, TEXTS)
def test_a_part_of_a_text_is_a_part_of_its_plain_form(a: str, b: str, c: str) -> None:
    assert grams.plain(a + b + c) == grams.plain(a) + grams.plain(b) + grams.plain(c)


@settings(deadline=None)
@given(TEXTS)
def test_each_plain_character_knows_its_place_and_its_sound(text: str) -> None:
    plain = grams.plain(text)
    places = grams.places(text)
    assert len(places) == len(plain) == len(grams.syllables(plain))
    assert all(char in grams.plain(text[at]) for char, at in zip(plain, places, strict=True))


@settings(deadline=None)
@example("去银", "行了", "")
@example("", "他还", "钱")
@given(TEXTS, TEXTS, TEXTS)
def test_a_text_fits_every_part_of_itself_under_a_pair_it_is_filed_by(
    a: str, b: str, c: str
) -> None:
    text = grams.plain(a + b + c)
    sounds = grams.syllables(text)
    filed = grams.pairs(sounds)
    for query in (*grams.by_text(b)[:1], *grams.by_sound(b)[:1]):
        assert query.match(text, sounds) is not None
        assert all(filed.intersection(pair) for pair in query.pairs)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("停水", "村里听谁两天了"),
        ("银行", "去银航取钱"),
        ("还钱", "他不换钱"),
        ("三天", "停了3天"),
        ("ting shui", "我家停水了"),
        ("tingshui", "我家停水了"),
        ("Ting2Shui3", "我家停水了"),
        ("xi'an", "去西安"),
        ("xian", "去西安"),
        ("xian", "我们县里"),
        ("lüse", "绿色"),
        ("lvse", "绿色"),
        ("wifi", "家里WiFi坏了"),
    ],
)
def test_what_sounds_alike_fits(query: str, text: str) -> None:
    plain = grams.plain(text)
    sounds = grams.syllables(plain)
    assert any(one.match(plain, sounds) is not None for one in grams.by_sound(query))


@pytest.mark.parametrize(
    ("query", "text"),
    [("停水", "停电"), ("停水", "水停"), ("ting shui", "听不清水声"), ("xi'an", "县里")],
)
def test_what_sounds_otherwise_does_not(query: str, text: str) -> None:
    plain = grams.plain(text)
    sounds = grams.syllables(plain)
    assert not any(one.match(plain, sounds) is not None for one in grams.by_sound(query))


def test_nothing_to_look_for_is_no_query() -> None:
    assert grams.by_text("，。 ") == grams.by_sound("…") == []
