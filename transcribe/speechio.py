"""How many characters were heard wrong, counted as SpeechIO's leaderboard counts them.

Both texts are first brought to one form (https://github.com/SpeechColab/Leaderboard, its
``textnorm_zh``): no spaces or punctuation, full width to half, one case, numbers as they are read
aloud, no fillers, no erhua. Two things go further than SpeechIO, because our references are
written by operators: more fillers than 呃 and 啊, and 两, 幺, 〇 are the digits they stand for.
Pure functions; nothing here hears anything.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from cn2an import An2Cn
from rapidfuzz.distance import Levenshtein

FILLERS = "呃啊嗯噢哦喔欸诶"
"""Sounds of hesitation and agreement. 额 and 唔 are words elsewhere and stay."""

MOST_DIGITS_AS_AMOUNT = 7
"""Longer runs of digits are numbers of telephones, cards or people: read digit by digit."""

_DIGITS = "零一二三四五六七八九"
_SAME = str.maketrans({"两": "二", "幺": "一", "〇": "零", "○": "零"})
_FILLERS = re.compile(f"[{FILLERS}]")
_ERHUA = re.compile(
    r"(?<![女婴幼孤胎少患产孙妻宠弃健男小台托吊正])(?<!混血)(?<!新生)"
    r"儿(?![子女童孙媳歌科戏时郎化])"
)
"""儿 that only bends the syllable before it. In 女儿, 婴儿, 儿子, 儿童 … it is a syllable."""

_MEASURE = "元块毛角分人个天年月日斤两吨米里亩户岁度家只头位名条台辆次万千百亿"
_DIALLED = "110|114|119|120|122|10010|10086|12123|12309|12315|12328|12345|12348|95598|96110"
_NUMBERS = re.compile(
    rf"""
      (?<!\d)(?P<date>(?P<y>\d{{4}})[-/.年](?P<m>\d{{1,2}})[-/.月](?P<d>\d{{1,2}})(?!\d)[日号]?)
    | (?<!\d)(?P<year>(?:1\d|20)\d\d)(?=年)
    | (?<!\d)(?P<time>(?P<hour>\d{{1,2}}):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?)(?!\d)
    | (?<!\d)(?P<dial>0\d{{2,3}}-\d{{7,8}}|[48]00-?\d{{3}}-?\d{{4}})(?!\d)
    | (?<!\d)(?P<service>{_DIALLED})(?![\d.%:/{_MEASURE}])
    | (?P<below>\d+)[/⁄](?P<above>\d+)
    | (?P<minus>(?<![\w])-)?(?P<number>\d+(?:\.\d+)?)(?P<unit>%|‰|°c)?(?P<range>[-~](?=\d))?
    """,
    re.VERBOSE | re.ASCII,
)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))", re.ASCII)
_MONEY = re.compile(r"¥\s*(\d+(?:\.\d+)?)", re.ASCII)
_UNITS = {"%": "百分之{}", "‰": "千分之{}", "°c": "{}摄氏度"}
_aloud = An2Cn().an2cn


@dataclass(frozen=True)
class ErrorCounts:
    """Characters of a hypothesis that differ from the reference, after ``normalise``.

    ``deletions`` are missing in the hypothesis, ``insertions`` too many in it. ``characters``:
    length of the reference.
    """

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    characters: int = 0

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float | None:
        """CER: errors per character said, 0 upward (above 1 when much was added); None for an
        empty reference, which has no rate."""
        return self.errors / self.characters if self.characters else None

    def __add__(self, other: ErrorCounts) -> ErrorCounts:
        return ErrorCounts(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.characters + other.characters,
        )


def errors(reference: str, hypothesis: str) -> ErrorCounts:
    """What is wrong in ``hypothesis``, both normalised; the least number of edits counts."""
    said, heard = normalise(reference), normalise(hypothesis)
    tags = [edit.tag for edit in Levenshtein.editops(said, heard)]
    return ErrorCounts(
        substitutions=tags.count("replace"),
        deletions=tags.count("delete"),
        insertions=tags.count("insert"),
        characters=len(said),
    )


def normalise(text: str) -> str:
    """The characters of ``text`` that count: letters alone, in one form. May be empty.

    Doing it twice changes nothing.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    folded = _MONEY.sub(r"\1元", _THOUSANDS.sub("", folded))
    spoken = _NUMBERS.sub(_read, folded).translate(_SAME)
    letters = "".join(sign for sign in spoken if unicodedata.category(sign)[0] in "LN")
    return _ERHUA.sub("", _FILLERS.sub("", letters))


def _read(found: re.Match[str]) -> str:
    """A written number as it is read aloud."""
    if found["date"]:
        return f"{_one_by_one(found['y'])}年{_amount(found['m'])}月{_amount(found['d'])}日"
    if found["time"]:
        return _time(int(found["hour"]), int(found["minute"]), int(found["second"] or 0))
    if found["above"]:
        return f"{_amount(found['above'])}分之{_amount(found['below'])}"
    dialled = found["year"] or found["dial"] or found["service"]
    if dialled:
        return _one_by_one(dialled)
    sign = "零下" if found["unit"] == "°c" else "负"
    read = _UNITS.get(found["unit"] or "", "{}").format(_number(found["number"]))
    return (sign if found["minus"] else "") + read + ("到" if found["range"] else "")


def _time(hour: int, minute: int, second: int) -> str:
    minutes = f"{'零' if minute < 10 else ''}{_amount(str(minute))}分" if minute or second else ""
    return f"{_amount(str(hour))}点{minutes}" + (f"{_amount(str(second))}秒" if second else "")


def _number(written: str) -> str:
    whole, _, decimals = written.partition(".")
    if len(whole) > MOST_DIGITS_AS_AMOUNT or (len(whole) > 1 and whole[0] == "0"):
        read = _one_by_one(whole)
    else:
        read = _amount(whole)
    return f"{read}点{_one_by_one(decimals)}" if decimals else read


def _amount(digits: str) -> str:
    """As a quantity: 215 is 二百一十五. Digits of any length; very long ones one by one."""
    if len(digits) > MOST_DIGITS_AS_AMOUNT:
        return _one_by_one(digits)
    return str(_aloud(str(int(digits)), "low"))


def _one_by_one(digits: str) -> str:
    return "".join(_DIGITS[int(digit)] for digit in digits if digit.isdigit())
