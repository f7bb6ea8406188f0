"""Which words go wrong: what was said, what the machine heard in its place, how often.

Pure functions. Runs of digits are never shown: they may be somebody's number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rapidfuzz.distance import Levenshtein

from transcribe import speechio
from transcribe.align import TextWord, align

HIDDEN = "***"
MOST_EXAMPLES = 3
LONGEST = 8
"""Longer pieces are no words: where so much is wrong, nothing was understood."""

_DIGITS = re.compile(r"[0-9零一二三四五六七八九]{3,}")


@dataclass
class Confusion:
    """``said`` was heard as ``heard`` ("" for left out or made up) ``count`` times.

    ``examples``: subjects (ids) in which it happened, at most three.
    """

    said: str
    heard: str
    count: int = 0
    examples: list[int] = field(default_factory=list)

    @property
    def is_number(self) -> bool:
        """Whether it was a number, which is not shown."""
        return self.said == HIDDEN


def tally(pairs: Iterable[tuple[int, str, Sequence[str]]], most: int = 30) -> list[Confusion]:
    """The commonest confusions of (subject id, what was said, words heard), commonest first."""
    found: dict[tuple[str, str], Confusion] = {}
    for subject, reference, words in pairs:
        for said, heard in confused(reference, words):
            one = found.setdefault((said, heard), Confusion(said, heard))
            one.count += 1
            if subject not in one.examples and len(one.examples) < MOST_EXAMPLES:
                one.examples.append(subject)
    ranked = sorted(found.values(), key=lambda one: (-one.count, one.said, one.heard))
    return ranked[:most]


def confused(reference: str, words: Sequence[str]) -> list[tuple[str, str]]:
    """(said, heard) for each heard word that is wrong, in order; numbers are hidden."""
    said = speechio.normalise(reference)
    heard_words = [speechio.normalise(word) for word in words]
    heard = "".join(heard_words)
    edges = _edges(said, heard)
    secret_said, secret_heard = _secret(said), _secret(heard)
    found, start = [], 0
    for word in heard_words:
        end = start + len(word)
        first, after = edges[start], edges[end]
        piece = said[first:after]
        if word and piece != word and max(len(piece), len(word)) <= LONGEST:
            hidden = secret_said & set(range(first, after)) or secret_heard & set(range(start, end))
            found.append((HIDDEN, HIDDEN) if hidden else (piece, word))
        start = end
    return found


def outcomes(words: Sequence[TextWord], reference: str) -> list[tuple[float, bool]]:
    """(confidence 0-1, heard right) of each heard word, by alignment with what was said."""
    heard = [
        TextWord(plain, word.start_ms, word.end_ms, word.confidence)
        for word in words
        if (plain := speechio.normalise(word.text))
    ]
    right = {
        (piece.text, piece.start_ms)
        for piece in align(heard, speechio.normalise(reference))
        if piece.confidence is not None
    }
    return [
        (word.confidence, (word.text, word.start_ms) in right)
        for word in heard
        if word.confidence is not None
    ]


def _edges(said: str, heard: str) -> list[int]:
    """For each place between characters of ``heard`` its place in ``said``."""
    edges = [0] * (len(heard) + 1)
    for block in Levenshtein.opcodes(said, heard):
        for place in range(block.dest_start, block.dest_end + 1):
            offset = place - block.dest_start
            edges[place] = min(block.src_start + offset, block.src_end)
    edges[0], edges[-1] = 0, len(said)
    return edges


def _secret(text: str) -> set[int]:
    """Places that belong to a run of three and more digits."""
    return {place for run in _DIGITS.finditer(text) for place in range(*run.span())}
