"""Carrying the times of heard words over to a text that a person corrected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from transcribe.recogniser import Word


@dataclass(frozen=True)
class TextWord:
    """A piece of a transcript's text; ``confidence`` None when a person typed it."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float | None


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
        pieces.append(TextWord(word.text, word.start_ms, word.end_ms, word.confidence))
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
    pieces.append(TextWord(typed, *span, None))


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
    """For each character of ``before`` where it stands in ``after``, None when it is gone."""
    head = _common(before, after)
    tail = _common(before[head:][::-1], after[head:][::-1])
    middle_before = before[head : len(before) - tail]
    middle_after = after[head : len(after) - tail]
    place: list[int | None] = [*range(head), *[None] * len(middle_before)]
    place += range(len(after) - tail, len(after))
    blocks = SequenceMatcher(None, middle_before, middle_after, autojunk=False)
    for block in blocks.get_matching_blocks():
        for offset in range(block.size):
            place[head + block.a + offset] = head + block.b + offset
    return place


def _common(one: str, other: str) -> int:
    """Length of the common beginning."""
    for index, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return index
    return min(len(one), len(other))
