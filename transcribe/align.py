"""Carrying the times of heard words over to a text that a person corrected."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from typing import Any

from transcribe.recogniser import Word

SMALL = 40_000
"""Stretches of up to so many pairs of characters (200 x 200) are left to difflib."""

LANDMARKS = (12, 6, 3)
"""Lengths of the runs of characters that serve as landmarks in longer stretches."""

Stretch = tuple[int, int, int, int]
"""Start and end in the old text, start and end in the new one."""


@dataclass(frozen=True)
class TextWord:
    """A piece of a transcript's text; ``confidence`` None when a person typed it.

    ``side``: which channel of a call recorded in two it comes from, None for one programme.
    """

    text: str
    start_ms: int
    end_ms: int
    confidence: float | None
    side: int | None = None

    def to_json(self) -> dict[str, Any]:
        """As a transcript stores it: no side where there are none."""
        plain = asdict(self)
        if self.side is None:
            del plain["side"]
        return plain


def align(heard: Sequence[Word | TextWord], text: str) -> list[TextWord]:
    """Pieces that together are exactly ``text``, in order.

    A heard word whose characters all stand together in ``text`` keeps its times and confidence.
    What a person typed between two kept words is one piece: it takes the span of the heard words
    it replaces, or no time at all (start = end) where it replaces none.
    """
    kept = _kept_words(heard, text)
    pieces: list[TextWord] = []
    done_chars, done_words = 0, 0
    for at, index in kept:
        word = heard[index]
        _type(pieces, text[done_chars:at], heard, done_words, index)
        kept_word = TextWord(word.text, word.start_ms, word.end_ms, word.confidence, _side(word))
        pieces.append(kept_word)
        done_chars, done_words = at + len(word.text), index + 1
    _type(pieces, text[done_chars:], heard, done_words, len(heard))
    return pieces


def _type(
    pieces: list[TextWord],
    typed: str,
    heard: Sequence[Word | TextWord],
    first: int,
    after: int,
) -> None:
    """Add the typed characters that stand in for ``heard[first:after]``."""
    if not typed:
        return
    replaced = heard[first:after]
    if replaced:
        span = replaced[0].start_ms, replaced[-1].end_ms
    else:
        at_ms = heard[first - 1].end_ms if first else 0
        span = at_ms, at_ms
    side = _side(replaced[0]) if replaced else None
    pieces.append(TextWord(typed, *span, None, side))


def _side(word: Word | TextWord) -> int | None:
    return word.side if isinstance(word, TextWord) else None


def _kept_words(heard: Sequence[Word | TextWord], text: str) -> list[tuple[int, int]]:
    """(place in ``text``, index of the word) of each word that survived, in order."""
    before = "".join(word.text for word in heard)
    place = _places(before, text)
    kept, start = [], 0
    for index, word in enumerate(heard):
        end = start + len(word.text)
        at = place[start] if start < end else None
        if at is not None and place[start:end] == list(range(at, at + end - start)):
            kept.append((at, index))
        start = end
    return kept


def _places(before: str, after: str) -> list[int | None]:
    """For each character of ``before`` where it stands in ``after``, None when it is gone.

    difflib alone takes minutes for a talk of an hour. So long stretches are first cut at runs of
    characters that occur once on both sides; what stays long and has none counts as rewritten.
    """
    place: list[int | None] = [None] * len(before)
    stretches = [(0, len(before), 0, len(after))]
    while stretches:
        a, a_end, b, b_end = stretches.pop()
        while a < a_end and b < b_end and before[a] == after[b]:
            place[a] = b
            a, b = a + 1, b + 1
        while a < a_end and b < b_end and before[a_end - 1] == after[b_end - 1]:
            a_end, b_end = a_end - 1, b_end - 1
            place[a_end] = b_end
        if (a_end - a) * (b_end - b) > SMALL:
            stretches += _cut(before, after, (a, a_end, b, b_end))
            continue
        blocks = SequenceMatcher(None, before[a:a_end], after[b:b_end], autojunk=False)
        for block in blocks.get_matching_blocks():
            for offset in range(block.size):
                place[a + block.a + offset] = b + block.b + offset
    return place


def _cut(before: str, after: str, stretch: Stretch) -> list[Stretch]:
    """The stretch in smaller ones that begin at common landmarks; none when it has none."""
    a, a_end, b, b_end = stretch
    for length in LANDMARKS:
        here = _once(before, a, a_end, length)
        there = _once(after, b, b_end, length)
        common = sorted((here[run], there[run]) for run in here.keys() & there.keys())
        landmarks = _longest_rising(common)
        if landmarks:
            starts = [(a, b), *landmarks]
            ends = [*landmarks, (a_end, b_end)]
            return [(x, y, u, v) for (x, u), (y, v) in zip(starts, ends, strict=True)]
    return []


def _once(text: str, start: int, end: int, length: int) -> dict[str, int]:
    """Runs of ``length`` characters that occur once, with their places."""
    seen: dict[str, int] = {}
    for at in range(start, end - length + 1):
        run = text[at : at + length]
        seen[run] = -1 if run in seen else at
    return {run: at for run, at in seen.items() if at >= 0}


def _longest_rising(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest choice of ``pairs`` (sorted by the first) whose second rises, too."""
    ends: list[int] = []
    last: list[int] = []
    before: list[int] = []
    for index, (_, value) in enumerate(pairs):
        rank = bisect_left(ends, value)
        ends[rank : rank + 1] = [value]
        last[rank : rank + 1] = [index]
        before.append(last[rank - 1] if rank else -1)
    chosen, index = [], last[-1] if last else -1
    while index >= 0:
        chosen.append(pairs[index])
        index = before[index]
    return chosen[::-1]
