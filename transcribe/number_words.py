"""Words that hold numerals and are no numbers: idioms, names, and what 一 means beside "one"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

_ALWAYS = """
一直 一定 一些 一般 一样 一共 一下 一会 一边 一旦 一切 一带 一路上 一方面 一辈子 一向
一再 一律 一致 一时 一生 一同 一旁 一贯 一齐 一点一点 一家人 一个劲 统一 唯一 惟一 单一
同一 其一 专一 之一 进一步 万一
十全十美 一五一十 三三两两 三五成群 七七八八 乱七八糟 九九八十一 三百六十行 七十二行
三十六计 三七二十一 十八般武艺 二十四节气 二十四孝 十二生肖 百八十 千千万万 成千上万
万万 半斤八两 个一二三
初一 初二 初三 初四 初五 初六 初七 初八 初九 初十 大年三十 年三十 五一 八一 双十一
六一儿童节 三八妇女节 五四运动 九一八
三轮车 三轮 四轮车 二手 二胡 三农 百度 百姓 百货 百科 百分点 千克 千米 千瓦 万岁 万元户
四川 三峡 三亚 三门峡 五台山 六盘水 六安 七台河 九江 九寨沟 十堰 八里桥 五里村 千岛湖
十字路口 十字
"""
ALWAYS = tuple(_ALWAYS.split())
"""Wherever they stand, even at the end of a run of figures: 三八一直打不通."""

_NUMERAL = "零〇一二两三四五六七八九十百千万亿"
_RULES = (
    "(?:正月|腊月|冬月)(?:二?十?[一二三四五六七八九十])?",
    "二月二(?![十号日])",
    "三月三(?![十号日])",
    "九月九(?![号日])",
    "八月十五(?![号日])",
    "十一(?=放假|假期|长假|黄金周|国庆|期间)",
    "(?<!点)十分(?!钟|之)",
    f"(?<![{_NUMERAL}])千万(?![{_NUMERAL}])",
    f"第[一二三四五六七八九十](?![{_NUMERAL}])",
    "(?:星期|礼拜)[一二三四五六]",
    f"(?<![{_NUMERAL}])周[一二三四五六]",
    "二百五(?![十块元斤亩米公个人多])",
)
"""Words only beside the right neighbours: 十分好 but 十分钟, 二百五 but 二百五十."""


@lru_cache(maxsize=64)
def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    words = sorted({*ALWAYS, *filter(None, names)}, key=lambda word: (-len(word), word))
    return re.compile("|".join([*_RULES, *map(_alone, words)]))


def _alone(word: str) -> str:
    """五一 within a longer row of numerals is no word."""
    if set(word) <= set(_NUMERAL):
        return f"(?<![{_NUMERAL}]){word}(?![{_NUMERAL}])"
    return re.escape(word)


def kept(text: str, names: Sequence[str] = ()) -> list[tuple[int, int]]:
    """Where words stand that are kept as they are said; ``names`` of places are kept, too."""
    return [found.span() for found in _pattern(tuple(names)).finditer(text)]
