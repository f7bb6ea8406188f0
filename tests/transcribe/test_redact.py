"""Numbers of people are found however they are said, and what is no such number stays."""

from __future__ import annotations

import re
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transcribe.speaking import cards, identities, landlines, mobiles, told
from transcribe import redact, shared_words
from transcribe.align import TextWord
from transcribe.numerals import DIGITS

MASK = re.compile(r"\[[a-z ]+\]")
NOBODY = """
我家停水三天了
昨天晚上七点半停的电
二零二六年十一月三号交的钱
一九九八年修的路
二零二五年到二零二六年都没有发
1998-2005年的账没有公开
一九九八和二零零五都修过
都要五要六要三个
2026-11-03 12:30来过
20261103交的
欠我三千五百块
工程款1200000元没有给
一共1250000块
合计12345678元
一百二十三万四千五百六十七元
补贴一亩地一百二十五块五
我住三组十八号
十八栋二单元五零一室
三零一、三零二、三零三都漏水
三零一到三零五都漏水
三零一三零二三零三室漏水
打了一一零和一二零
打幺幺零报警
打12345没有人接
我打了96110
打10086查的
打119了
村里有两百三十六户八百一十二口人
一千二百三十四亩地
今年六十五岁
三个八
尾号三个八
尾号一二三四
车牌浙A12345
浙B三八八六五的车
第三次打电话了
一二三四五六
房间号八零八
工号零零七
二百五
三三两两
三七二十一
九九八十一难
一五一十地说
千千万万
七七八八
三点一四一五
体温三十八点五
百分之三十五
十五分钟
早上五点到晚上十点
三月五号到四月六号
每斤一块二毛五
三号楼二单元
八里桥五里村
五一放假十一也放假
二十四小时
一天三次一次两片
高一米七五重一百三十斤
坐三路车转五路
邮编三二三九零零
邮政编码323900
密码六位数
案号20260601-12345
打了三次没有人接又打了两次
面积九十八点六平方
从一数到十
三加五等于八
第二十三条第四款
国道三二零
省道二零八
打12345找我三组
十二五规划十三五规划
要三个人要五百块
他要我就要
一个人一天一亩地
"""


def words_of(text: str, sizes: list[int]) -> list[TextWord]:
    """``text`` cut into words of the given sizes, 100 ms a character."""
    words, at = [], 0
    for size in [*sizes, len(text)]:
        part = text[at : at + size]
        if part:
            words.append(TextWord(part, at * 100, (at + len(part)) * 100, 1.0))
        at += size
    return words


def hidden(words: list[TextWord]) -> list[str]:
    return [row["text"] for row in shared_words.masked_words([asdict(word) for word in words])]


def digits_in(text: str) -> int:
    return sum(char in DIGITS for char in text)


@pytest.mark.parametrize("text", NOBODY.strip().split("\n"))
def test_a_sum_a_date_a_house_or_a_count_is_never_masked(text: str) -> None:
    assert redact.text(text) == text


@pytest.mark.parametrize(
    ("numbers", "kinds"),
    [
        (mobiles, {redact.MOBILE}),
        (landlines, {redact.LANDLINE, redact.MOBILE, redact.OTHER}),
        (identities, {redact.IDENTITY}),
        (cards, {redact.CARD, redact.IDENTITY, redact.OTHER}),
    ],
)
def test_a_number_is_found_however_it_is_read_out(
    numbers: st.SearchStrategy[str], kinds: set[str]
) -> None:
    @given(told(numbers))
    def check(case: tuple[str, str]) -> None:
        said, sentence = case
        hidden = redact.text(sentence)
        assert said not in hidden
        assert MASK.search(hidden)
        around = sentence.replace(said, "")
        assert digits_in(hidden) <= digits_in(around)
        if said == "".join(char for char in said if char in DIGITS or char in "叉X"):
            assert {kind for _, _, kind in redact.spans(said)} <= kinds

    check()


@given(told(mobiles | identities | cards), st.lists(st.integers(1, 4), max_size=30))
def test_a_number_split_over_words_is_masked_with_all_its_words(
    case: tuple[str, str], sizes: list[int]
) -> None:
    said, sentence = case
    words = words_of(sentence, sizes)
    start = sentence.index(said)
    for place in range(start, start + len(said)):
        if sentence[place] in DIGITS:
            assert any(
                one.start_ms <= place * 100 and (place + 1) * 100 <= one.end_ms
                for one in redact.find(words)
            )
    assert said not in "".join(hidden(words))


@given(told(mobiles))
def test_what_is_masked_is_masked_once(case: tuple[str, str]) -> None:
    once = redact.text(case[1])
    assert redact.text(once) == once


@given(st.text() | st.text("一二三零幺两个呃要,.- 0123xX叉", max_size=40))
def test_no_text_makes_it_fall_over(text: str) -> None:
    redact.text(text)
    redact.find(words_of(text, [2] * len(text)))


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("电话13800138000。", "电话[mobile number]。"),
        ("打138 0013 8000", "打[mobile number]"),
        ("打０５７８－２１２３４５６", "打[telephone number]"),
        ("幺三八呃零零幺三嗯八零零零", "[mobile number]"),
        ("身份证一一零一零五一九四九一二三一零零二叉", "身份证[identity number]"),
        ("身份证110105 19491231 002X", "身份证[identity number]"),
        ("卡号4111 1111 1111 1111", "卡号[bank card number]"),
        ("号码八五六七二三四", "号码[number]"),
    ],
)
def test_masks_say_what_was_there(text: str, masked: str) -> None:
    assert redact.text(text) == masked


def test_three_eights_amid_digits_are_three_digits() -> None:
    assert redact.text("幺三九三个八二二六六五") == "[mobile number]"
    assert redact.text("我有三个八") == "我有三个八"


@pytest.mark.parametrize("text", ["一三八零零一三八零零", "一三八零零一三八零零零一"])
def test_a_mobile_number_with_a_digit_too_few_or_too_many_is_masked(text: str) -> None:
    assert redact.text(f"打{text}找我") == "打[mobile number]找我"


def test_a_number_begun_anew_is_masked_from_its_first_digit() -> None:
    said = "打幺三八零零一三，不对，幺三八零零一三八零零零找我"
    assert redact.text(said) == "打[mobile number]找我"


def test_digits_that_the_machine_mishears_do_not_save_a_number() -> None:
    heard = "号码 是 要 五二 腰 八 动 九六 拐 九二 我家"
    words = [TextWord(part, 0, 0, 1.0) for part in heard.split()]
    assert hidden(words) == ["号码", "是", "[number]", "我家"]


def test_a_check_character_tells_an_identity_number() -> None:
    assert redact.is_identity("11010519491231002X")
    assert not redact.is_identity("110105194912310021")
    assert redact.is_card("4111111111111111")
    assert not redact.is_card("4111111111111112")


def test_a_number_typed_between_two_heard_words_sounds_between_them() -> None:
    words = [
        TextWord("打", 0, 300, 1.0),
        TextWord("13800138000", 300, 300, None),
        TextWord("找我", 2400, 2800, 1.0),
    ]
    assert redact.find(words) == [redact.Finding(redact.MOBILE, 1, 2, 300, 2400)]


def test_two_numbers_that_share_a_word_are_one_finding() -> None:
    words = [TextWord("13800138000我13900139000", 0, 5_000, 1.0)]
    assert len(redact.find(words)) == 1


def test_masks_speak_the_language_of_the_page() -> None:
    assert redact.text("打13800138000", lambda mask: mask.upper()) == "打[MOBILE NUMBER]"
