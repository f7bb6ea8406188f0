"""Numbers of people in what was said or typed: found, masked, and timed so that sound can be muted.

Speech writes 13800138000 as 幺三八, 零零幺三, 八零零零: in many words, with rests and fillers
between, 幺 heard as 要, 洞 as 动, a digit lost or doubled. So digits are gathered into runs
(``digit_runs``) and a run is hidden when it is a mobile number, landline with area code, identity
number (MOD 11-2) or bank card (Luhn), or when it has seven digits and more and no unit says that
it counts something. Privacy errs to masking: ten or twelve digits that begin like a mobile number
are one with a digit misheard, and 要 or 就要 beside digits is masked with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from core.errors import N_
from transcribe.digit_runs import DigitRun, runs
from transcribe.punctuate import Timed

MOBILE, LANDLINE, IDENTITY, CARD, OTHER = "mobile", "landline", "identity", "card", "other"
MASKS = {
    MOBILE: N_("[mobile number]"),
    LANDLINE: N_("[telephone number]"),
    IDENTITY: N_("[identity number]"),
    CARD: N_("[bank card number]"),
    OTHER: N_("[number]"),
}
"""Kind -> what stands in its place (English; pages hand in their translator)."""

LEAST_DIGITS = 7
"""Local telephone numbers have seven digits; nothing shorter leads to a person."""

LEAST_SURE = 5
"""Of them so many must be digits beyond doubt; the others may only sound like digits."""

MANY_DIGITS, FEW_SURE = 9, 4
"""What is read like a long number may be misheard even more."""

_MOBILE = re.compile(r"1[3-9]\d{9}")
_NEARLY_MOBILE = re.compile(r"(?:0086|86)?1[3-9]\d{8,10}")
_LANDLINE = re.compile(r"0(?:10|2\d|[3-9]\d\d)[2-9]\d{6,7}")
_BORN = re.compile(r"\d{6}(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_IDENTITY_LENGTHS = range(16, 20)
_CARD_LENGTHS = range(16, 20)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
"""ISO 7064 MOD 11-2 as GB 11643-1999 uses it: 2**(17 - place) modulo 11."""


@dataclass(frozen=True)
class Finding:
    """A number of a person in ``words[first_word:after_word]``, sounding in the given span."""

    kind: str
    first_word: int
    after_word: int
    start_ms: int
    end_ms: int


def kind_of(run: DigitRun) -> str | None:
    """What a run of digits is; None when it leads to nobody."""
    digits = run.digits
    if any(is_identity(digits[at : at + 18]) for at in range(len(digits) - 17)):
        return IDENTITY
    if _MOBILE.search(digits) and len(digits) < min(_CARD_LENGTHS):
        return MOBILE
    if len(digits) in _IDENTITY_LENGTHS and _BORN.match(digits):
        return IDENTITY
    if len(digits) in _CARD_LENGTHS and is_card(digits):
        return CARD
    if _NEARLY_MOBILE.fullmatch(digits):
        return MOBILE
    if _LANDLINE.fullmatch(digits):
        return LANDLINE
    if run.counts_something or not _long_enough(run):
        return None
    return MOBILE if _MOBILE.search(digits) else OTHER


def _long_enough(run: DigitRun) -> bool:
    count = len(run.digits) + run.maybe
    least_sure = FEW_SURE if count >= MANY_DIGITS else LEAST_SURE
    return count >= LEAST_DIGITS and run.sure >= least_sure


def is_identity(number: str) -> bool:
    """18 characters whose last is the MOD 11-2 check character of the others."""
    if len(number) != 18 or not number[:17].isdigit():
        return False
    total = sum(int(digit) * weight for digit, weight in zip(number, _WEIGHTS, strict=False))
    return number[17] == "10X98765432"[total % 11] and bool(_BORN.match(number))


def is_card(number: str) -> bool:
    """Whether the digits fulfil Luhn's rule, the last being the check digit."""
    if not number.isdigit() or not int(number):
        return False
    doubled = (2 * int(digit) for digit in number[-2::-2])
    return (sum(map(int, number[-1::-2])) + sum(n // 10 + n % 10 for n in doubled)) % 10 == 0


def find(words: Sequence[Timed]) -> list[Finding]:
    """The numbers in timed words, in order, as whole words; they may run over utterances.

    A number without time of its own (typed between two heard words) sounds between its neighbours.
    """
    ends, at = [], 0
    for word in words:
        at += len(word.text)
        ends.append(at)
    found = []
    for start, end, kind in spans("".join(word.text for word in words)):
        first = next(index for index, word_end in enumerate(ends) if word_end > start)
        after = next(index for index, word_end in enumerate(ends) if word_end >= end) + 1
        found.append(Finding(kind, first, after, *_sounding(words, first, after)))
    return _apart(found)


def _sounding(words: Sequence[Timed], first: int, after: int) -> tuple[int, int]:
    start_ms = min(word.start_ms for word in words[first:after])
    end_ms = max(word.end_ms for word in words[first:after])
    if end_ms > start_ms:
        return start_ms, end_ms
    before_ms = words[first - 1].end_ms if first else 0
    next_ms = words[after].start_ms if after < len(words) else end_ms
    return min(before_ms, start_ms), max(next_ms, end_ms)


def _apart(found: list[Finding]) -> list[Finding]:
    """Two numbers that share a word are one."""
    apart: list[Finding] = []
    for one in found:
        if apart and one.first_word < apart[-1].after_word:
            last = apart.pop()
            one = replace(
                last, after_word=one.after_word, end_ms=max(last.end_ms, one.end_ms),
                start_ms=min(last.start_ms, one.start_ms),
            )  # fmt: skip
        apart.append(one)
    return apart


def spans(text: str) -> list[tuple[int, int, str]]:
    """(start, end, kind) of each number in ``text``, in order."""
    return [
        (run.start, run.end, kind)
        for run in runs(text)
        if (kind := kind_of(run)) is not None
    ]  # fmt: skip


def text(typed: str, translate: Callable[[str], str] = str) -> str:
    """``typed`` with each number replaced by its mask; doing it twice changes nothing."""
    masked, done = "", 0
    for start, end, kind in spans(typed):
        masked += typed[done:start] + translate(MASKS[kind])
        done = end
    return masked + typed[done:]
