"""Whether a model understands the people it was tried on, in plain words. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from transcribe.evaluate import Evaluation

LIMIT = 0.30
"""CER from which on a text costs an operator more than it helps; the project's own line. The
small Chinese model of Vosk lies at 0.17 on read speech and at 0.38 on hard sets (its publisher)."""

LEAST_CLIPS, LEAST_CHARACTERS = 30, 400
"""Below these a result is weak. With 400 characters heard independently a CER of 0.30 is known to
4.5 points (binomial, 95 %); errors of one speaker come together, so it is less sure than that."""


@dataclass(frozen=True)
class Verdict:
    """``passes``: the CER is not above the limit. ``sentences`` are for people, in English."""

    passes: bool
    sentences: tuple[str, ...]


def judge(found: Evaluation, limit: float = LIMIT) -> Verdict:
    """The verdict on an evaluation that holds at least one character."""
    rate = found.total.rate
    assert rate is not None
    passes = rate <= limit
    if passes:
        first = f"The model understands these voices: {rate:.1%} of the characters are wrong."
    else:
        first = (
            f"The model does NOT understand these voices: {rate:.1%} of the characters are wrong, "
            f"more than the {limit:.0%} that are bearable. Do not use it for such callers."
        )
    doubts = [first, *_doubts(found, limit, passes)]
    return Verdict(passes, tuple(doubts))


def _doubts(found: Evaluation, limit: float, passes: bool) -> list[str]:
    doubts = []
    clips, characters = len(found.results), found.total.characters
    if clips < LEAST_CLIPS or characters < LEAST_CHARACTERS:
        doubts.append(
            f"This is weak evidence: {clips} clips with {characters} characters; at least "
            f"{LEAST_CLIPS} clips with {LEAST_CHARACTERS} characters tell more."
        )
    if found.interval is not None and found.interval[0] <= limit < found.interval[1]:
        low, high = found.interval
        other = "above" if passes else "within"
        doubts.append(
            f"With other clips it could as well lie {other} the limit: with 95 % certainty it is "
            f"between {low:.1%} and {high:.1%}."
        )
    unheard = sum(result.problem is not None for result in found.results)
    if unheard:
        doubts.append(f"{unheard} clips could not be decoded and count as missed.")
    return doubts
