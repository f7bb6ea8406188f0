"""Proposes the kind of a report from its words, says why, and says nothing when unsure.

Runs of 1 to 4 characters, weighed by TF-IDF, in a linear model (multinomial logistic
regression) over written sentences and a list of phrases. On the held-out sentences macro-F1 is
0.85; 0.81 with runs of 2 to 4 only, 0.84 without the phrases, 0.72 with neither, and each of these
abstains more often (docs/decisions.md). It proposes; a person decides.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cases import seeds
from cases.seeds import Example

if TYPE_CHECKING:  # scikit-learn takes a second to load: only who proposes pays for it
    from numpy.typing import NDArray

RUN_LENGTHS = (1, 4)
REGULARISATION_C = 30.0
PHRASE_WEIGHT = 0.5
"""What a phrase of the list weighs beside a whole sentence."""

FLOOR = 0.30
"""Below this certainty nothing is proposed (``python -m cases evaluate`` shows the trade)."""

MAX_REASONS = 3
LEAST_REASON = 2
_NO_LETTER = re.compile(r"[\W_]+")
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True)
class Guess:
    """A proposal. ``code`` None: unsure. ``certainty`` 0-1; ``reasons``: parts of the text."""

    code: str | None
    certainty: float
    reasons: tuple[str, ...]
    likeliest: str


UNKNOWN = Guess(None, 0.0, (), "")


class Classifier:
    """A trained model; ``guess`` may be called from several threads."""

    def __init__(self, vectoriser: Any, model: Any, floor: float) -> None:
        self._vectoriser, self._model, self.floor = vectoriser, model, floor

    @classmethod
    def train(
        cls, examples: Sequence[Example], weights: Sequence[float] | None = None, *,
        floor: float = FLOOR,
    ) -> Classifier:  # fmt: skip
        """Learn from ``examples`` (each of ``weights``, else 1) and the list of phrases."""
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        phrases = seeds.phrases()
        texts = [plain(one.text) for one in examples] + [phrase for phrase, _ in phrases]
        codes = [one.code for one in examples] + [code for _, code in phrases]
        weighed = [*(weights or [1.0] * len(examples)), *[PHRASE_WEIGHT] * len(phrases)]
        vectoriser = TfidfVectorizer(analyzer="char", ngram_range=RUN_LENGTHS, sublinear_tf=True)
        model = LogisticRegression(C=REGULARISATION_C, max_iter=1000, class_weight="balanced")
        model.fit(vectoriser.fit_transform(texts), codes, sample_weight=weighed)
        return cls(vectoriser, model, floor)

    def guess(self, text: str) -> Guess:
        """The kind of ``text``; an empty text and one of unknown characters give UNKNOWN."""
        cleaned = plain(text)
        row = self._vectoriser.transform([cleaned])
        if not row.nnz:
            return UNKNOWN
        likelihoods: NDArray[Any] = self._model.predict_proba(row)[0]
        best = int(likelihoods.argmax())
        certainty, code = round(float(likelihoods[best]), 3), str(self._model.classes_[best])
        if certainty < self.floor:
            return Guess(None, certainty, (), code)
        return Guess(code, certainty, self._reasons(cleaned, row, best), code)

    def _reasons(self, text: str, row: Any, best: int) -> tuple[str, ...]:
        """Listed phrases of this kind in ``text``, else the parts that spoke most for it."""
        code = self._model.classes_[best]
        listed = [phrase for phrase, kind in seeds.phrases() if kind == code and phrase in text]
        if listed:
            longest = sorted(listed, key=len, reverse=True)
            return tuple(_apart(longest))[:MAX_REASONS]
        names = self._vectoriser.get_feature_names_out()
        strength = [0.0] * len(text)
        for column, value in zip(row.indices, row.data, strict=True):
            run, weight = str(names[column]), float(value * self._model.coef_[best][column])
            for at in _places(text, run) if weight > 0 and len(run) >= LEAST_REASON else ():
                for place in range(at, at + len(run)):
                    strength[place] += weight / len(run)
        return _strongest(text, strength)


def _apart(phrases: Sequence[str]) -> list[str]:
    """``phrases`` (longest first) without those that lie within another."""
    kept: list[str] = []
    for phrase in phrases:
        if not any(phrase in longer for longer in kept):
            kept.append(phrase)
    return kept


def plain(text: str) -> str:
    """Characters that carry meaning: no blanks, no punctuation, any number as one 0."""
    return _DIGITS.sub("0", _NO_LETTER.sub("", text.lower()))


def _places(text: str, run: str) -> list[int]:
    return [at for at in range(len(text) - len(run) + 1) if text.startswith(run, at)]


def _strongest(text: str, strength: Sequence[float]) -> tuple[str, ...]:
    """Stretches of ``text`` above half of the greatest strength, at least two characters."""
    least = max(strength, default=0.0) / 2
    if least <= 0:
        return ()
    found: list[tuple[float, int, str]] = []
    start = None
    for at in range(len(text) + 1):
        strong = at < len(text) and strength[at] >= least
        if strong and start is None:
            start = at
        elif not strong and start is not None:
            if at - start >= LEAST_REASON:
                found.append((-sum(strength[start:at]), start, text[start:at]))
            start = None
    return tuple(dict.fromkeys(part for _, _, part in sorted(found)))[:MAX_REASONS]
