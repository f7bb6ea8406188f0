"""The benchmark of proposed kinds fails when what it measures is worthless."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import classify, harness
from cases import learning, seeds
from cases.classifier import Classifier, Guess


def unchanged(texts: Sequence[str]) -> list[str]:
    return list(texts)


class AlwaysThanks(Classifier):
    def __init__(self) -> None:
        super().__init__(None, None, 0.0)

    def guess(self, text: str) -> Guess:
        return Guess("thanks", 1.0, (), "thanks")


def test_the_shipped_sentences_meet_the_targets() -> None:
    found = classify.measure(seeds.held_out(), learning.seeded(), hear=unchanged)
    assert harness.missed(found["figures"], found["targets"]) == []


def test_a_classifier_that_names_one_kind_misses() -> None:
    found = classify.measure(seeds.held_out(), AlwaysThanks(), hear=unchanged)
    assert not found["met"]


def test_words_lost_on_the_line_show() -> None:
    found = classify.measure(
        seeds.held_out(), learning.seeded(), hear=lambda texts: ["嗯"] * len(texts)
    )
    assert "spoken_macro_f1_to_typed" in harness.missed(found["figures"], found["targets"])
