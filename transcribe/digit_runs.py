"""Digits said one by one, gathered over rests, fillers, corrections and what was misheard."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from pypinyin import lazy_pinyin

from transcribe.number_words import kept
from transcribe.numerals import DIGITS, IDENTITY_DIGITS

MAX_STRANGE, MAX_ALIKE = 2, 4
"""So many characters between two digits may be misheard ones: of any sound, or all like digits."""

EACH, LIKELY = 2, 5
"""Characters that sound like none link groups of two digits each, and anything to one of five."""

_FILLERS = re.compile(
    r"呃+|嗯+|啊+|哦+|额+|俄|诶|那个|这个|就是|然后|和|接着|后面是|后面|中间|最后|最后是|再来|不对|不是|错了|"
    r"说错了|我说错了|应该是|是|重来|再说一遍|等一下|等等|对|横杠|横线|杠|空格|[\s\-－—–_·,，.。;；:：/…+＋()（）]+"
)
_REPEATED = re.compile(
    r"([两二三四五六七八九])个([零〇一二三四五六七八九幺洞拐勾0-9])(?![十百千万亿个])"
)
_LAST = re.compile(r"[\s，,]*(?:[叉xX×Ｘｘ](?![A-Za-z])|[艾爱哎]克[斯思司])")
_NO_PERSON = re.compile(
    r"(?:19|20)\d\d[-/.年]\d{1,2}[-/.月]\d{1,2}(?!\d)|(?<!\d)\d{1,2}[:：]\d\d(?:[:：]\d\d)?(?!\d)"
    r"|(?<!\d)(?:19|20)\d{6}-\d{5}(?!\d)"
)
"""Dates, clock times and case numbers (20260601-12345)."""

_COUNTED = re.compile(r"[零一二两三四五六七八九]?[十百千万亿][零一二三四五六七八九十百千万亿]*")
"""A number with units (三十五) is none that is read out digit by digit."""

_BLANK = "\ufffc"
_YEAR = re.compile(r"(?:19|20)\d\d")
_DAY = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")

_BREAKS = frozenset(
    "十百千万亿年月日号元块毛分角斤两亩米里度个点组栋幢室楼层岁人户口天次位条只头辆台张份吨第到至、"
    + _BLANK
)
_COUNTS = re.compile(r"\s*(?:元|块|万|亿|亩|斤|公斤|吨|人|户|个|米|公里|度|千瓦|室|栋|%|％)")
_SOUNDS = {
    "yao": "1", "jiao": "1", "yi": "1", "er": "2", "san": "3", "shan": "3", "si": "4", "shi": "4",
    "wu": "5", "liu": "6", "qi": "7", "ba": "8", "jiu": "9", "ling": "0", "lin": "0", "dong": "0",
    "guai": "7", "gou": "9", "liang": "2",
}  # fmt: skip
"""How digits sound; jiao, shan, shi and lin are what 幺, 三, 四 and 零 are misheard as."""

_EDGES = frozenset("要腰妖邀药交以而儿动懂冻就酒旧坝")
"""Words that 幺, 一, 二, 洞, 九 and 八 are misheard as; next to digits they are taken for them."""


@dataclass(frozen=True)
class DigitRun:
    """``digits`` (0-9, X last) stand in ``text[start:end]``, with all that lies between them.

    ``sure``: how many of them are digits and not only sound like one. ``maybe``: how many more at
    both ends only sound like digits. ``counts_something``: a unit follows (1200000 元), or they
    are years or one day (20261103).
    """

    digits: str
    start: int
    end: int
    sure: int
    maybe: int = 0
    counts_something: bool = False


@dataclass(frozen=True)
class _Group:
    digits: str
    start: int
    end: int


def runs(text: str) -> list[DigitRun]:
    """All runs of digits in ``text``, in order; most of them are short and mean nobody."""
    plain = _blanked(text)
    together: list[list[_Group]] = []
    for group in _groups(plain):
        if together and _linked(plain, together[-1], group):
            together[-1].append(group)
        else:
            together.append([group])
    return [_run(plain, groups) for groups in together]


def _groups(plain: str) -> list[_Group]:
    """Digits without anything between them; 三个八 beside digits is 888."""
    groups: list[_Group] = []
    at = 0
    while at < len(plain):
        repeated = _REPEATED.match(plain, at)
        if repeated:
            digits = DIGITS[repeated[2]] * int(DIGITS[repeated[1]])
            end = repeated.end()
        elif plain[at] in DIGITS:
            digits, end = DIGITS[plain[at]], at + 1
        else:
            at += 1
            continue
        if groups and groups[-1].end == at:
            last = groups.pop()
            groups.append(_Group(last.digits + digits, last.start, end))
        else:
            groups.append(_Group(digits, at, end))
        at = end
    return groups


def _blanked(text: str) -> str:
    """``text`` with a placeholder for what holds digits and is no number of a person."""
    blank = text
    places = [found.span() for found in _NO_PERSON.finditer(text)]
    places += [found.span() for found in _COUNTED.finditer(text)]
    places += [place for place in kept(text) if not _amid_digits(text, *place)]
    for start, end in places:
        blank = blank[:start] + _BLANK * (end - start) + blank[end:]
    return blank


def _amid_digits(text: str, start: int, end: int) -> bool:
    """Whether 五一 or 一直 may be a piece of a number: better a word too many is masked."""
    alone = not all(char in DIGITS for char in text[start:end])
    return not alone or text[start - 1 : start] in DIGITS or text[end : end + 1] in DIGITS


def _linked(text: str, before: list[_Group], other: _Group) -> bool:
    """Whether only rests, fillers or a few misheard characters lie between two groups."""
    between = _FILLERS.sub("", text[before[-1].end : other.start])
    if not between:
        return True
    if _BREAKS & set(between):
        return False
    if all(_sound(char) for char in between):
        return len(between) <= MAX_ALIKE
    if text[other.end : other.end + 1] in _BREAKS:
        return False  # 找我三组: a count of its own
    counts = (sum(len(group.digits) for group in before), len(other.digits))
    likely = max(counts) >= LIKELY or min(counts) >= EACH
    return len(between) <= MAX_STRANGE and likely


@lru_cache(maxsize=4096)
def _sound(char: str) -> str:
    """The digit that ``char`` sounds like, or nothing."""
    return _SOUNDS.get(lazy_pinyin(char)[0] if char.strip() else "", "")


def _run(plain: str, groups: list[_Group]) -> DigitRun:
    digits = groups[0].digits
    for one, other in pairwise(groups):
        between = _FILLERS.sub("", plain[one.end : other.start])
        digits += "".join(_sound(char) for char in between) + other.digits
    start, end = groups[0].start, groups[-1].end
    last = _LAST.match(plain, end)
    if last and len(digits) == IDENTITY_DIGITS:
        digits, end = digits + "X", last.end()
    counts = _COUNTS.match(plain, end) is not None
    counts = counts or _DAY.fullmatch(digits) is not None
    counts = counts or all(_YEAR.fullmatch(group.digits) for group in groups)
    sure = sum(len(group.digits) for group in groups)
    wide_start, wide_end = _with_edges(plain, start, end)
    maybe = wide_end - end + start - wide_start
    return DigitRun(digits, wide_start, wide_end, sure, maybe, counts)


def _with_edges(plain: str, start: int, end: int) -> tuple[int, int]:
    """With what 幺 and the like were misheard as at both ends; Arabic digits were typed."""
    if not plain[start].isascii():
        while start and plain[start - 1] in _EDGES:
            start -= 1
    if not plain[end - 1].isascii():
        while end < len(plain) and plain[end] in _EDGES:
            end += 1
    return start, end
