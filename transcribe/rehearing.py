"""What it is worth to hear a sound again with another model: a pure estimate, in characters.

An estimate to rank by, not a promise: confidences are the model's own opinion.
"""

from __future__ import annotations

from dataclasses import dataclass

CHARACTERS_PER_S = 4.0
"""Spoken Chinese has four to five syllables a second; callers pause."""

STARTER_WRONG = 0.95
"""Share of characters the starter got wrong on real people: 95.6 % on 45 clips."""

CORRECTED_COUNTS = 0.05
"""A person has written the words: the machine's matter only to whoever measures it."""

CLOSED_COUNTS = 0.2
"""Nobody works on it any more: better words help only the search and the statistics."""

LEAST_GAIN = 1.0
"""Characters from which hearing again is worth the time."""


@dataclass(frozen=True)
class Subject:
    """What is known of a sound that could be heard again.

    ``confidence``: 0-1 of the newest hearing, None when nothing was understood or heard yet.
    ``is_open``: somebody works on it. ``is_corrected``: a person has written the words.
    ``by_starter``: the newest hearing is the starter model's, ``to_starter``: the next would be.
    """

    confidence: float | None
    duration_ms: int
    is_open: bool
    is_corrected: bool
    by_starter: bool
    to_starter: bool


def wrong_share(subject: Subject) -> float:
    """Which part (0-1) of the characters is likely wrong or missing now."""
    if subject.by_starter and not subject.to_starter:
        return STARTER_WRONG
    return 1.0 - (subject.confidence or 0.0)


def expected_gain(subject: Subject) -> float:
    """Characters that may be put right, weighted by how much that helps; 0 when nothing can be.

    The starter never makes better what a real model has heard.
    """
    if subject.to_starter and not subject.by_starter and subject.confidence is not None:
        return 0.0
    gain = CHARACTERS_PER_S * subject.duration_ms / 1000 * wrong_share(subject)
    gain *= CORRECTED_COUNTS if subject.is_corrected else 1.0
    return gain * (1.0 if subject.is_open else CLOSED_COUNTS)


def is_worth_it(subject: Subject) -> bool:
    """Whether hearing it again is worth a decoder's time at all."""
    return expected_gain(subject) >= LEAST_GAIN


def rank(subject: Subject) -> tuple[bool, float]:
    """The smaller is heard first: what is open, then what gains most per second of sound."""
    gain_per_s = expected_gain(subject) / max(subject.duration_ms, 1)
    return not subject.is_open, -gain_per_s
