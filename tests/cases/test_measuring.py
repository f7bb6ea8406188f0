"""The figures of the proposals, against cases counted by hand."""

from __future__ import annotations

import pytest

from cases import measuring
from cases.classifier import UNKNOWN, Classifier, Guess
from cases.seeds import UNCLEAR, Example


class Scripted(Classifier):
    """Guesses what the test says."""

    def __init__(self, guesses: dict[str, Guess]) -> None:
        super().__init__(None, None, 0.0)
        self._guesses = guesses

    def guess(self, text: str) -> Guess:
        return self._guesses.get(text, UNKNOWN)


def sure(code: str) -> Guess:
    return Guess(code, 0.9, (), code)


def unsure(code: str) -> Guess:
    return Guess(None, 0.1, (), code)


def example(text: str, code: str) -> Example:
    return Example(text, code, text)


EXAMPLES = [
    example("a1", "a"), example("a2", "a"), example("b1", "b"), example("b2", "b"),
    example("n1", UNCLEAR), example("n2", UNCLEAR),
]  # fmt: skip
GUESSES = Scripted(
    {"a1": sure("a"), "a2": unsure("b"), "b1": sure("b"), "b2": sure("a"), "n1": sure("a")}
)


def test_macro_f1_is_the_mean_over_kinds_of_the_likeliest() -> None:
    # a: named a1, b2 -> precision 1/2, recall 1/2; b: named a2, b1 -> the same
    found = measuring.measure(GUESSES, EXAMPLES)
    assert found.macro_f1 == pytest.approx(0.5)
    assert found.kinds["a"] == measuring.KindFigures(2, 0.5, 0.5, 0.5)


def test_abstention_and_what_is_right_among_the_proposals() -> None:
    found = measuring.measure(GUESSES, EXAMPLES)
    assert found.abstained == pytest.approx(1 / 4)
    assert found.right_when_proposed == pytest.approx(2 / 3, abs=1e-4)


def test_texts_of_no_kind_count_apart() -> None:
    found = measuring.measure(GUESSES, EXAMPLES)
    assert (found.examples, found.unclear, found.unclear_proposed) == (4, 2, 1)


def test_the_majority_names_one_kind_always() -> None:
    taught = [example("x", "a"), example("y", "a"), example("z", "b")]
    # a: precision 2/4, recall 1 -> F1 2/3; b: 0
    assert measuring.majority(taught, EXAMPLES) == pytest.approx(1 / 3, abs=1e-4)
