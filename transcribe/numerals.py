"""Which spoken numbers are written in digits, and which stay words. Pure text rules.

cn2an does the arithmetic in its "normal" mode: "strict" refuses 一万二, 两百五 and every 两,
and its ``transform`` turns 一些人一起 into 1些人1起 and 五一 into 51. In "normal" mode all numbers
from 1 to 29,999 and every 7,919th up to 10,000,000 came back as they were, and 一万二, 三千五,
一百一 are read as people mean them; 一亿一 ends in a KeyError. So only what the grammar below
accepts is handed to it, and what it cannot read stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cn2an

from transcribe.number_words import kept

DIGITS = {
    **dict(zip("零一二三四五六七八九", "0123456789", strict=True)),
    **dict(zip("０１２３４５６７８９", "0123456789", strict=True)),
    **dict(zip("0123456789", "0123456789", strict=True)),
    **dict(zip("壹贰叁肆伍陆柒捌玖", "123456789", strict=True)),
    **{"〇": "0", "○": "0", "幺": "1", "两": "2", "洞": "0", "拐": "7", "勾": "9"},
}
"""Every way a digit is written or read out: 幺, 两, 洞, 拐, 勾 as on the telephone."""

NUMERALS = frozenset("零〇一二两三四五六七八九十百千万亿幺")
"""Chinese numerals as they stand in a number."""

_ROW = "零〇一二两三四五六七八九十百千万亿"
_TAKEN = "\ufffc"
_D = "[一二两三四五六七八九]"
_TENS = f"{_D}?十{_D}?"
_HUNDREDS = f"{_D}百(?:零?{_TENS}|零{_D}|{_D})?"
_THOUSANDS = f"{_D}千(?:零?{_HUNDREDS}|零?{_TENS}|零{_D}|{_D})?"
_SECTION = f"(?:{_THOUSANDS}|{_HUNDREDS}|{_TENS}|{_D})"
_NUMBER = f"(?:{_SECTION}亿)?(?:零?{_SECTION}万)?(?:零?{_SECTION})?"
_CARDINAL = f"(?=[一二两三四五六七八九十零]*[十百千万亿])(?![零百千万亿]){_NUMBER}"
_FRACTION = "[零一二三四五六七八九]+"
_PART = (
    "凌晨|清早|早上|早晨|今早|明早|上午|中午|下午|傍晚|晚上|今晚|昨晚|明晚|夜里|半夜"
    "|今天|明天|昨天|每天"
)
_HOUR = "二十[一二三四]?|十[一二]?|[一二两三四五六七八九]"
_MINUTE = "零[一二三四五六七八九]|[二三四五]?十[一二三四五六七八九]?"
_UNIT = "号|组|栋|幢|单元|室|楼|米|公里|公斤|厘米|亩|吨|元|块钱|毛钱|平方|平米|岁|分钟|小时|月"
_SHORT_SUFFIX = "年|号|室|栋|幢|路|单元"


@dataclass(frozen=True)
class Rewrite:
    """``text[start:end]`` is to be written as ``text``."""

    start: int
    end: int
    text: str


Writer = Callable[[re.Match[str]], str | None]
"""Writes the part of a match that the group "n" holds; None leaves it as it was said."""


def rewrites(text: str, names: Sequence[str] = ()) -> list[Rewrite]:
    """What to write in digits, in order and without overlap; never raises.

    Written are numbers of two and more numerals, single ones before a unit (三组 and 三月, but not
    三个), per cent, decimals, clock times that are surely such, and figures read one by one:
    three and more, or two before 年, 号 and the like. Approximate numbers (三四百, 十几个) stay,
    and so do the words of ``number_words`` and ``names`` (of places).
    """
    left = text
    for start, end in kept(text, names):
        left = _taken(left, start, end)
    found: list[Rewrite] = []
    for pattern, write in _RULES:
        for match in pattern.finditer(left):
            written = write(match)
            if written is not None:
                found.append(Rewrite(*match.span("n"), written))
            left = _taken(left, *match.span("n"))
    return sorted(found, key=lambda rewrite: rewrite.start)


def _taken(text: str, start: int, end: int) -> str:
    return text[:start] + _TAKEN * (end - start) + text[end:]


def figures(text: str) -> str:
    """Digits read one by one, as Arabic digits."""
    return "".join(DIGITS[char] for char in text)


def _value(text: str) -> int | float | None:
    try:
        value: int | float = cn2an.cn2an(text, "normal")
    except (ValueError, KeyError):
        return None
    return value


def _left(_match: re.Match[str]) -> None:
    return None


def _cardinal(match: re.Match[str]) -> str | None:
    """3500; round ten thousands keep their unit (3万), as newspapers write them."""
    said = match["n"]
    if match.end() < len(match.string) and match.string[match.end()] in NUMERALS:
        return None
    value = _value(said)
    if value is None:
        return None
    if said[-1] in "万亿" and not ("亿" in said and said[-1] == "万"):
        return f"{int(value) // (10**4 if said[-1] == '万' else 10**8)}{said[-1]}"
    return str(value)


def _percent(match: re.Match[str]) -> str | None:
    said = match["n"].removeprefix("百分之")
    value = 100 if said == "百" else _value(said)
    return None if value is None else f"{value}%"


def _decimal(match: re.Match[str]) -> str | None:
    value = _value(match["whole"])
    return None if value is None else f"{value}.{figures(match['rest'])}{match['unit'] or ''}"


def _clock(match: re.Match[str]) -> str | None:
    """下午3点20; without 上午, 晚上 or the like only what cannot be 一点 in the sense of a bit."""
    hour, minute, part = match["hour"], match["minute"], match["part"]
    if not part and not (minute or match["more"]):
        return None
    if not part and hour == "一" and (match["more"] or "") not in ("半", "钟"):
        return None
    written = f"{_value(hour)}点"
    if minute:
        written += f"{_value(minute.lstrip('零')):02d}"
    return written


def _run(match: re.Match[str]) -> str | None:
    """Figures one by one; seven and more may hold 两, 洞, 拐, 勾, digits; X after seventeen."""
    said = match["n"].rstrip("叉艾爱克斯xX")
    if any("0" <= char <= "9" for char in said) and said.isascii():
        return None
    is_identity = len(said) == IDENTITY_DIGITS and said != match["n"]
    return figures(said) + ("X" if is_identity else match["n"][len(said) :])


def _pair(match: re.Match[str]) -> str | None:
    """零八年 is a year; 七八号 means the 7th or 8th."""
    one, other = (int(DIGITS[char]) for char in match["n"])
    return None if other == one + 1 else f"{one}{other}"


def _single(match: re.Match[str]) -> str | None:
    return str(_value(match["n"]))


IDENTITY_DIGITS = 17
_NO_NUMERAL_BEFORE = f"(?<![{_ROW}点])"
_ONE_BY_ONE = "零〇○一二三四五六七八九幺"
_ANY_DIGIT = "".join(DIGITS)
_RULES: tuple[tuple[re.Pattern[str], Writer], ...] = tuple(
    (re.compile(pattern), write)
    for pattern, write in (
        (rf"(?P<n>百分之(?:百|{_NUMBER}(?:点{_FRACTION})?)(?<!之))", _percent),
        (r"(?P<n>[一二两三四五六七八九十百千万]+分之[一二两三四五六七八九十百千万]+)", _left),
        (rf"(?P<n>[几数][十百千万亿]+|{_NUMBER}(?<=[十百千万亿])几[十百千万亿]*)", _left),
        (
            rf"{_NO_NUMERAL_BEFORE}(?P<n>{_D}{_D}[十百千万亿]+|{_D}?十{_D}{_D}|{_D}百{_D}{_D}十)",
            _left,
        ),
        (
            rf"(?P<part>{_PART})?{_NO_NUMERAL_BEFORE}(?P<n>(?P<hour>{_HOUR})点(?P<minute>{_MINUTE})?)"
            "(?P<more>半|钟|整|分|一刻|三刻)?(?![零一二三四五六七八九])",
            _clock,
        ),
        (
            rf"{_NO_NUMERAL_BEFORE}(?P<n>(?P<whole>零|{_CARDINAL}|{_D})点(?P<rest>{_FRACTION})"
            "(?P<unit>[万亿])?)(?![十百千])",
            _decimal,
        ),
        (
            rf"(?P<n>[{_ANY_DIGIT}]{{7,}}(?:叉|[艾爱]克斯|[xX](?![A-Za-z]))?)"
            "(?![十百千万亿])",
            _run,
        ),
        (rf"{_NO_NUMERAL_BEFORE}(?P<n>[{_ONE_BY_ONE}]{{3,}})(?![十百千万亿点])", _run),
        (rf"{_NO_NUMERAL_BEFORE}(?P<n>(?=[{_ROW}]{{2}}){_CARDINAL})", _cardinal),
        (rf"{_NO_NUMERAL_BEFORE}(?P<n>[{_ONE_BY_ONE}]{{2}})(?={_SHORT_SUFFIX})", _pair),
        (
            rf"{_NO_NUMERAL_BEFORE}(?P<n>[一二三四五六七八九十])(?=月[一二三四五六七八九十]+[号日])",
            _single,
        ),
        (
            rf"{_NO_NUMERAL_BEFORE}(?P<n>[一二三四五六七八九十])(?=(?:{_UNIT})"
            "(?![零一二三四五六七八九十百千半两]))",
            _single,
        ),
    )
)
