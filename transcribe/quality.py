"""How wrong the machine's words are, and from which confidence on they are worth mending.

Pure rules over counts of wrong characters (transcribe.speechio); what was said comes from texts
that a person marked as word for word. Rates are micro-averaged: all errors over all characters,
so that a long report weighs more than a short one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from transcribe import speechio
from transcribe.speechio import ErrorCounts

FEW = 10
"""Fewer transcripts than this give a figure nobody should rely on."""

LEAST_PAIRS = 30
"""So many transcripts are needed before they move the floor."""

DEFAULT_FLOOR, DEFAULT_DOUBT = 0.5, 0.6
"""The floor of a text and the doubt of a word, while nothing was measured."""

ACCEPTABLE_CER = 0.30
"""Mending a machine's text is faster than writing anew while fewer than 30 % of it are wrong
(Gaur, Lasecki, Metze, Bigham, "The effects of automatic speech recognition quality on human
transcription latency", W4A 2016, for words of English; taken over for characters)."""

STEP = 0.1
DOUBTFUL_SHARE = 1 / 3
"""Words are marked up to the confidence at which one in three is wrong."""
LEAST_WORDS = 300

RESAMPLES, SEED = 1_000, 20_160_411
GRID = tuple(step / 20 for step in range(20))
"""Confidences that are tried as a floor, 0.05 apart: finer steps follow noise."""


@dataclass(frozen=True)
class Estimate:
    """A character error rate (0 upward) of ``pairs`` transcripts and its 95 % interval.

    ``rate`` is None without characters; ``low`` and ``high`` are None for fewer than ``FEW``.
    """

    pairs: int
    counts: ErrorCounts
    low: float | None = None
    high: float | None = None

    @property
    def rate(self) -> float | None:
        return self.counts.rate

    @property
    def too_few(self) -> bool:
        return self.pairs < FEW


@dataclass(frozen=True)
class Point:
    """A transcript for the floor: the machine's confidence (0-1) and what was wrong in it."""

    confidence: float
    counts: ErrorCounts


@dataclass(frozen=True)
class Bin:
    """Transcripts whose confidence lies in [from_, to), the last one including 1."""

    from_: float
    to: float
    estimate: Estimate


@lru_cache(maxsize=20_000)
def counted(reference: str, hypothesis: str) -> ErrorCounts:
    """``speechio.errors``, remembered: a page counts the same texts again and again."""
    return speechio.errors(reference, hypothesis)


def estimate(counts: Iterable[ErrorCounts]) -> Estimate:
    """Micro-averaged rate with a percentile bootstrap over transcripts (Bisani and Ney, ICASSP
    2004): characters of one transcript are not independent of each other, transcripts are.
    """
    of = list(counts)
    total = sum(of, ErrorCounts())
    if len(of) < FEW or not total.characters:
        return Estimate(len(of), total)
    errors = np.array([one.errors for one in of], dtype=float)
    characters = np.array([one.characters for one in of], dtype=float)
    drawn = np.random.default_rng(SEED).multinomial(
        len(of), np.full(len(of), 1 / len(of)), RESAMPLES
    )
    rates = (drawn @ errors) / np.maximum(drawn @ characters, 1)
    low, high = np.percentile(rates, (2.5, 97.5))
    return Estimate(len(of), total, float(low), float(high))


def floor(points: Sequence[Point]) -> float:
    """The confidence below which a text is folded away (0-1).

    The smallest of ``GRID`` from which on texts are worth mending: at most ``ACCEPTABLE_CER`` of
    their characters are wrong, in all of them together and, step by step, in those within
    ``STEP`` (at least ``FEW``) above each tried value, so that many good texts do not hide the bad
    ones. 1 when no text is good enough; ``DEFAULT_FLOOR`` for fewer than ``LEAST_PAIRS`` points.
    """
    if len(points) < LEAST_PAIRS:
        return DEFAULT_FLOOR
    ordered = sorted(points, key=lambda point: point.confidence)
    found = 1.0
    for tried in reversed(GRID):
        above = [point for point in ordered if point.confidence >= tried]
        if len(above) < FEW:
            continue
        near = [point for point in above if point.confidence < tried + STEP]
        if not _worth_mending(near if len(near) >= FEW else above[:FEW]):
            break
        if _worth_mending(above):
            found = tried
    return found


def _worth_mending(points: Iterable[Point]) -> bool:
    rate = sum((point.counts for point in points), ErrorCounts()).rate
    return rate is not None and rate <= ACCEPTABLE_CER


def doubt(words: Sequence[tuple[float, bool]]) -> float:
    """The confidence below which a word is marked (0-1), from (confidence, heard right) of words.

    The upper edge of the highest step of ``GRID`` in which at least ``DOUBTFUL_SHARE`` of the words
    (and at least ``LEAST_PAIRS``) are wrong, so that a mark is worth a look; 0 when no step is so
    bad, ``DEFAULT_DOUBT`` for fewer than ``LEAST_WORDS``.
    """
    if len(words) < LEAST_WORDS:
        return DEFAULT_DOUBT
    for low in reversed(GRID):
        high = round(low + 1 / len(GRID), 2)
        step = [right for sure, right in words if low <= sure < high or (high == 1 and sure == 1)]
        if len(step) >= LEAST_PAIRS and step.count(False) >= DOUBTFUL_SHARE * len(step):
            return high
    return 0.0


def calibration(points: Iterable[Point], bins: int = 10) -> list[Bin]:
    """How wrong the texts of each step of confidence are; steps without texts are there too."""
    shelves: list[list[ErrorCounts]] = [[] for _ in range(bins)]
    for point in points:
        shelves[min(int(point.confidence * bins + 1e-9), bins - 1)].append(point.counts)
    return [
        Bin(step / bins, (step + 1) / bins, estimate(shelf)) for step, shelf in enumerate(shelves)
    ]
