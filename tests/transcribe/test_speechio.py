"""Counting wrong characters: each rule of SpeechIO alone, then mixed; every number by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcribe.speechio import ErrorCounts, errors, normalise

TEXTS = st.text(
    alphabet=st.sampled_from("我家停水两天了儿女啊 ，。0123456789.-%:/年月日元aＡ幺〇¥℃½")
)


@pytest.mark.parametrize(
    ("written", "counted"),
    [
        ("我家 停水 两天 了", "我家停水二天了"),
        ("停水了，请派人来！（急）", "停水了请派人来急"),
        ("ＡＢＣ１２３", "abc一百二十三"),
        ("Vosk", "vosk"),
        ("呃我家嗯停水啊", "我家停水"),
        ("金额没有错", "金额没有错"),
        ("这儿一会儿没水", "这一会没水"),
        ("女儿和儿子在托儿所", "女儿和儿子在托儿所"),
        ("新生儿的事儿", "新生儿的事"),
        ("", ""),
        ("……！？", ""),
    ],
)
def test_texts_lose_what_does_not_count(written: str, counted: str) -> None:
    assert normalise(written) == counted


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2天", "二天"),
        ("15户", "十五户"),
        ("215元", "二百一十五元"),
        ("1,200元", "一千二百元"),
        ("12000元", "一万二千元"),
        ("100万", "一百万"),
        ("¥3.50", "三点五零元"),
        ("0.5亩", "零点五亩"),
        ("50%", "百分之五十"),
        ("3‰", "千分之三"),
        ("1/2", "二分之一"),
        ("½", "二分之一"),
        ("-5℃", "零下五摄氏度"),
        ("3-5天", "三到五天"),
        ("8:30", "八点三十分"),
        ("8:05", "八点零五分"),
        ("8:00", "八点"),
        ("2026年", "二零二六年"),
        ("90年代", "九十年代"),
        ("2026-11-24", "二零二六年十一月二十四日"),
        ("2026年11月24日", "二零二六年十一月二十四日"),
        ("13800138000", "一三八零零一三八零零零"),
        ("0579-87654321", "零五七九八七六五四三二一"),
        ("打110", "打一一零"),
        ("110元", "一百一十元"),
        ("12345热线", "一二三四五热线"),
        ("幺三八〇", "一三八零"),
        ("第007号", "第零零七号"),
    ],
)
def test_numbers_become_what_a_voice_says(written: str, read: str) -> None:
    assert normalise(written) == read


@pytest.mark.parametrize(
    ("said", "heard", "substitutions", "deletions", "insertions", "characters"),
    [
        ("我家停水两天了", "我家停水两天了", 0, 0, 0, 7),
        ("我家停水两天了", "我家停电两天了", 1, 0, 0, 7),
        ("我家停水两天了", "我家停水两天", 0, 1, 0, 7),
        ("我家停水两天了", "我们家停水两天了", 0, 0, 1, 7),
        ("我家停水两天了", "", 0, 7, 0, 7),
        ("", "我家", 0, 0, 2, 0),
        ("", "", 0, 0, 0, 0),
        ("路灯坏了", "绿灯还亮", 3, 0, 0, 4),
        ("我家 停水 了。", "我家停水了", 0, 0, 0, 5),
        ("停水2天", "停水两天", 0, 0, 0, 4),
        ("欠了200元", "欠了两百元", 0, 0, 0, 5),
        ("欠了200元", "欠了三百元", 1, 0, 0, 5),
        ("请打110", "请打幺幺零", 0, 0, 0, 5),
        ("我13800138000", "我幺三八零零幺三八零零", 0, 1, 0, 12),
        ("涨了5%", "涨了百分之五", 0, 0, 0, 6),
        ("涨了5%", "涨了五", 0, 3, 0, 6),
        ("啊我家呃停水", "我家停水嗯", 0, 0, 0, 4),
        ("一会儿来", "一会来", 0, 0, 0, 3),
        ("我女儿来", "我女来", 0, 1, 0, 4),
        ("ＯＫ没问题", "ok没问题", 0, 0, 0, 5),
        ("这儿2026年停水，啊", "那二零二六年停电了", 2, 0, 1, 8),
        ("垃圾没有人清理请尽快处理", "垃圾没人清里请你尽快处理", 1, 1, 1, 12),
    ],
)
def test_errors_are_those_one_counts_by_hand(
    said: str, heard: str, substitutions: int, deletions: int, insertions: int, characters: int
) -> None:
    assert errors(said, heard) == ErrorCounts(substitutions, deletions, insertions, characters)


def test_rates_are_errors_per_character_said_and_may_pass_one() -> None:
    assert errors("停水", "停电").rate == 0.5
    assert errors("停水", "停电了啊不是吗").rate == 2.5
    assert errors("，", "停水").rate is None


def test_counts_add_up_so_a_long_text_weighs_more_than_a_short_one() -> None:
    total = errors("停水", "停电") + errors("我家停水两天了", "我家停水两天")
    assert total == ErrorCounts(1, 1, 0, 9)
    assert total.errors == 2
    assert total.rate == 2 / 9


@given(TEXTS | st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(TEXTS, TEXTS)
def test_deletions_and_insertions_explain_the_difference_in_length(said: str, heard: str) -> None:
    found = errors(said, heard)
    assert found.characters + found.insertions - found.deletions == len(normalise(heard))
    assert found.substitutions + found.deletions <= found.characters


@given(TEXTS)
def test_a_text_has_no_errors_against_itself(text: str) -> None:
    assert errors(text, text).errors == 0
