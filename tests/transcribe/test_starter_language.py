"""The statistics of words: probabilities that add up, and the graph that holds them."""

from __future__ import annotations

import math

import pytest

from transcribe.starter.fst import EPSILON, Graph
from transcribe.starter.language import BEGIN, END, Trigrams

SENTENCES = [["路灯", "坏", "了"]] * 8 + [["水管", "坏", "了"]] * 3 + [["停水", "了"]]
GENERAL = {"了": 90, "坏": 5, "天气": 40}
VOCABULARY = ["路灯", "坏", "了", "水管", "停水", "天气", END]


@pytest.fixture(scope="module")
def grammar() -> Trigrams:
    return Trigrams(SENTENCES, GENERAL)


@pytest.mark.parametrize(
    "history", [(), (BEGIN,), ("坏",), ("路灯", "坏"), ("天气",), ("停水", "了")]
)
def test_what_may_follow_a_history_adds_up_to_one(
    grammar: Trigrams, history: tuple[str, ...]
) -> None:
    total = sum(grammar.probability(word, history) for word in VOCABULARY)
    assert total == pytest.approx(1, abs=1e-6)


def test_two_words_of_history_tell_more_than_one(grammar: Trigrams) -> None:
    assert ("路灯", "坏") in grammar.after
    with_both = grammar.probability("了", ("路灯", "坏"))
    assert with_both > grammar.probability("了", ("坏",)) > grammar.probability("了", ())


def test_a_word_of_general_mandarin_may_follow_anything(grammar: Trigrams) -> None:
    assert grammar.probability("天气", ("路灯", "坏")) > 0


def test_a_rare_triple_is_left_to_shorter_histories(grammar: Trigrams) -> None:
    assert (BEGIN, "停水") not in grammar.after


def test_the_cheapest_path_of_the_acceptor_is_the_probability(grammar: Trigrams) -> None:
    number = {word: place for place, word in enumerate(VOCABULARY, 1)}
    graph = grammar.acceptor(number)
    sentence = ["水管", "坏", "了"]
    told, history = 0.0, (BEGIN,)
    for word in [*sentence, END]:
        told -= math.log(grammar.probability(word, history[-2:]))
        history = (*history, word)
    assert cheapest(graph, [number[word] for word in sentence]) == pytest.approx(told, abs=1e-6)


def cheapest(graph: Graph, labels: list[int]) -> float:
    """The lowest cost of accepting ``labels``."""
    costs = {0: 0.0}
    for label in [*labels, None]:
        for _ in range(3):  # back-off arcs follow each other at most twice
            for arc in graph.arcs:
                if arc.enters == EPSILON and arc.source in costs:
                    cost = costs[arc.source] + arc.cost
                    costs[arc.target] = min(costs.get(arc.target, math.inf), cost)
        if label is None:
            return min(costs[state] + cost for state, cost in graph.final.items() if state in costs)
        reached: dict[int, float] = {}
        for arc in graph.arcs:
            if arc.enters == label and arc.source in costs:
                cost = costs[arc.source] + arc.cost
                reached[arc.target] = min(reached.get(arc.target, math.inf), cost)
        costs = reached
    raise AssertionError("no end")


def test_a_graph_survives_its_text_form(grammar: Trigrams) -> None:
    graph = grammar.acceptor({word: place for place, word in enumerate(VOCABULARY, 1)})
    again = Graph.from_text(graph.to_text())
    assert again.to_text() == graph.to_text()
    assert len(again.arcs) == len(graph.arcs)


def test_the_start_of_a_foreign_text_becomes_state_0() -> None:
    graph = Graph.from_text("3\t0\t1\t1\t0.5\n0\t1\t2\t2\n1\n")
    assert [(arc.source, arc.target, arc.cost) for arc in graph.arcs] == [(0, 3, 0.5), (3, 1, 0.0)]
    assert graph.final == {1: 0.0}
