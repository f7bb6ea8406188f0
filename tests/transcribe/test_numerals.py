"""Which numbers become digits: a table of what people say, and one of what must stay words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcribe import normalise, numerals

WRITTEN = {
    "二零二六年十一月三号": "2026年11月3号",
    "二零二六年一月二十号": "2026年1月20号",
    "三月三号": "3月3号",
    "零八年": "08年",
    "两千零八年": "2008年",
    "晚上七点半": "晚上7点半",
    "早上五点就响": "早上5点就响",
    "下午三点二十": "下午3点20",
    "二十三点零五分": "23点05分",
    "晚上八点十分": "晚上8点10分",
    "一点半": "1点半",
    "星期三十点半": "星期三10点半",
    "三千五百块": "3500块",
    "三块钱": "3块钱",
    "一万二": "12000",
    "三万五": "35000",
    "两百五": "250",
    "二百五十块": "250块",
    "一百一": "110",
    "一百零三": "103",
    "两千零五十": "2050",
    "一万块": "1万块",
    "三千万": "3000万",
    "一亿三千万": "130000000",
    "三点五万": "3.5万",
    "三点五亩": "3.5亩",
    "零点五": "0.5",
    "百分之三十五": "35%",
    "百分之三点五": "3.5%",
    "百分之百": "100%",
    "三组十八号": "3组18号",
    "三零一室": "301室",
    "十八栋二单元": "18栋2单元",
    "二十一起": "21起",
    "三百多户": "300多户",
    "十分钟": "10分钟",
    "第十二条": "第12条",
    "打幺幺零": "打110",
    "幺三八零零幺三八零零零": "13800138000",
    "一三八洞洞一三八洞洞洞": "13800138000",
    "一三八1二三四56七八": "13812345678",
    "一三八一二三四五六七八一直打不通": "13812345678一直打不通",
    "一一零一零五一九九零零三零七八五六叉": "11010519900307856X",
    "一一零一零五一九九零零三零七八五六艾克斯": "11010519900307856X",
}
STAYS = """
一些人一起坐三轮车 五一放假 十一放假 十分好 万一 一定 千万别去 四川 三峡
第一次 第三组 星期三 周三十点 三三两两 八里桥 五里村 三里屯 一直 一样 一下
一点都不好 一点一点 二百五 他真是个二百五 三四百斤 十几个人 二十几户 几千块
两三千 七八个 十七八个 一百二三十个 三五成群 乱七八糟 一五一十 初一 初十
大年三十 正月十五 八月十五 三月三 七八号 三个人 两亩地 三块地 塌了一块
一米六 三分之一 半斤八两 十字路口 一家人 一点十分奇怪 百姓 百度 万岁 千米
二手 十全十美 不三不四 一清二楚 五颜六色 七上八下 三心二意 四面八方 三长两短
"""


@pytest.mark.parametrize(("said", "written"), WRITTEN.items())
def test_a_number_is_written_as_people_write_it(said: str, written: str) -> None:
    assert normalise.of_text(said) == written


@pytest.mark.parametrize("words", STAYS.split())
def test_words_that_hold_numerals_stay_words(words: str) -> None:
    assert normalise.of_text(words) == words
    assert normalise.of_text(f"我说{words}了") == f"我说{words}了"


@pytest.mark.parametrize("said", ["一亿一", "百百百", "点点点", "零点", "一千零", "十十十"])
def test_what_cannot_be_read_stays(said: str) -> None:
    assert normalise.of_text(said) == said


UNITS = ("", "十", "百", "千")


def spoken(number: int) -> str:
    """1 to 9,999 as people say it."""
    text, missing = "", False
    for place in (3, 2, 1, 0):
        digit = number // 10**place % 10
        if digit == 0:
            missing = bool(text)
        else:
            text += ("零" if missing else "") + "零一二三四五六七八九"[digit] + UNITS[place]
            missing = False
    return text.removeprefix("一") if 10 <= number < 20 else text


@given(st.integers(11, 9_999))
def test_every_number_people_can_say_is_understood(number: int) -> None:
    assert normalise.of_text(f"付了{spoken(number)}元") == f"付了{number}元"


@given(st.text("零一二两三四五六七八九幺", min_size=3, max_size=24))
def test_figures_one_by_one_keep_every_digit(said: str) -> None:
    written = normalise.of_text(f"号码{said}")
    if written != f"号码{said}":
        assert "".join(numerals.DIGITS.get(char, "") for char in written) == numerals.figures(said)
