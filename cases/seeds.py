"""The written sentences and phrases that the proposals of a kind start from.

``seed/training.txt`` and ``seed/held_out.txt``: a line ``# code`` opens a kind, an empty line ends
a family of sentences about one situation. The held-out ones were written apart, by somebody who
had read neither the training sentences nor the phrases; they serve to measure, never to train.
``seed/phrases.txt`` lists words of each kind. All of it was written for this project.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "seed"
UNCLEAR = "-"
"""Held-out sentences of no kind at all (wrong numbers, small talk): right is no proposal."""


@dataclass(frozen=True)
class Example:
    """A text and the kind it belongs to; ``family`` groups sentences of one situation."""

    text: str
    code: str
    family: str


@cache
def training() -> tuple[Example, ...]:
    """The sentences to train from."""
    return tuple(_sentences("training.txt"))


@cache
def held_out() -> tuple[Example, ...]:
    """The sentences to measure with; some of the kind UNCLEAR."""
    return tuple(_sentences("held_out.txt"))


@cache
def phrases() -> tuple[tuple[str, str], ...]:
    """(phrase, code) of every kind; a phrase may stand for several."""
    found, code = [], ""
    for line in _lines("phrases.txt"):
        if line.startswith("# "):
            code = line[2:]
        else:
            found += [(phrase, code) for phrase in line.split()]
    return tuple(found)


def _sentences(name: str) -> Iterator[Example]:
    code, family = "", 0
    for line in _lines(name):
        if line.startswith("# "):
            code, family = line[2:], family + 1
        elif line:
            yield Example(line, code, f"{code}-{family}")
        else:
            family += 1


def _lines(name: str) -> list[str]:
    text = (FOLDER / name).read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines()]
