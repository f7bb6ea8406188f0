"""How good the proposals of a kind are: pure figures over examples nobody trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cases.classifier import Classifier
from cases.seeds import UNCLEAR, Example


@dataclass(frozen=True)
class KindFigures:
    """One kind: how many examples, and precision, recall and F1 (0-1) without abstention."""

    count: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Measured:
    """``macro_f1``: mean F1 over the kinds, each example counted with its likeliest kind.

    ``abstained``: share of the clear examples without a proposal; ``right_when_proposed``: share
    of right ones among the proposals; ``unclear_proposed``: examples of no kind (``unclear`` in
    all) that got a proposal nevertheless.
    """

    examples: int
    macro_f1: float
    abstained: float
    right_when_proposed: float
    unclear: int
    unclear_proposed: int
    kinds: dict[str, KindFigures]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def measure(classifier: Classifier, examples: Sequence[Example]) -> Measured:
    """Let ``classifier`` guess every example; those of the kind UNCLEAR count apart."""
    clear = [one for one in examples if one.code != UNCLEAR]
    guesses = [classifier.guess(one.text) for one in clear]
    kinds = by_kind([one.code for one in clear], [guess.likeliest for guess in guesses])
    proposed = [
        (one, guess) for one, guess in zip(clear, guesses, strict=True) if guess.code is not None
    ]
    right = sum(one.code == guess.code for one, guess in proposed)
    unclear = [classifier.guess(one.text) for one in examples if one.code == UNCLEAR]
    return Measured(
        examples=len(clear),
        macro_f1=macro_f1(kinds),
        abstained=round(1 - len(proposed) / len(clear), 4) if clear else 0.0,
        right_when_proposed=round(right / len(proposed), 4) if proposed else 0.0,
        unclear=len(unclear),
        unclear_proposed=sum(guess.code is not None for guess in unclear),
        kinds=kinds,
    )


def majority(training: Sequence[Example], examples: Sequence[Example]) -> float:
    """Macro-F1 of always naming the kind that is most frequent in ``training``."""
    always = Counter(one.code for one in training).most_common(1)[0][0]
    right = [one.code for one in examples if one.code != UNCLEAR]
    return macro_f1(by_kind(right, [always] * len(right)))


def macro_f1(kinds: dict[str, KindFigures]) -> float:
    """Mean F1 of the kinds, each counting the same (0-1)."""
    return round(sum(kind.f1 for kind in kinds.values()) / len(kinds), 4) if kinds else 0.0


def by_kind(right: Sequence[str], named: Sequence[str]) -> dict[str, KindFigures]:
    """Figures of every kind that occurs among the ``right`` ones."""
    hits = Counter(code for code, name in zip(right, named, strict=True) if code == name)
    wanted, given = Counter(right), Counter(named)
    figures = {}
    for code in sorted(wanted):
        precision = hits[code] / given[code] if given[code] else 0.0
        recall = hits[code] / wanted[code]
        f1 = 2 * precision * recall / (precision + recall) if hits[code] else 0.0
        figures[code] = KindFigures(
            wanted[code], round(precision, 4), round(recall, 4), round(f1, 4)
        )
    return figures
