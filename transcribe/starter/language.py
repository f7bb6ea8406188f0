"""How likely a word is after the two before it: a trigram model with back-off, as an acceptor.

Counts of the domain's sentences are smoothed towards shorter histories (Witten-Bell), and the
frequencies of single words are mixed with those of general Mandarin.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from transcribe.starter.fst import EPSILON, Arc, Graph

BEGIN, END = "<s>", "</s>"
_DOMAIN_WEIGHT = 0.7
_GENERAL_END_SHARE = 0.05
_SMOOTHING = 30.0
"""Witten-Bell with this many unseen events per seen word: the domain's sentences repeat
themselves, and people say more than our templates. 30 did better than 3 on free sentences."""

_LEAST_TRIGRAM = 3
_FLOOR = 1e-9

History = tuple[str, ...]
Probabilities = dict[str, float]


class Trigrams:
    """Probabilities of words after histories of no, one or two words.

    ``sentences`` are lists of words, ``general`` the counts of words elsewhere; words that are in
    neither have no probability.
    """

    def __init__(self, sentences: Sequence[Sequence[str]], general: Mapping[str, int]) -> None:
        self.after: dict[History, Probabilities] = {(): _single(sentences, general)}
        self.back_off: dict[History, float] = {}
        pairs, triples = _counts(sentences)
        for history, seen in pairs.items():
            self._add_pair((history,), seen)
        for longer, seen in triples.items():
            self._add_triple(longer, seen)

    def probability(self, word: str, history: History) -> float:
        """Of ``word`` after ``history`` (up to two words), by way of shorter histories."""
        while history not in self.after:
            history = history[1:]
        weight = 1.0
        while word not in self.after[history]:
            weight *= self.back_off[history]
            history = history[1:]
        return weight * self.after[history][word]

    def acceptor(self, number: Mapping[str, int]) -> Graph:
        """A state for each history. Words are arcs; an arc of EPSILON leads to the shorter one."""
        states: dict[History, int] = {(BEGIN,): 0}
        for history in self.after:
            states.setdefault(history, len(states))
        graph = Graph()
        for history, words in self.after.items():
            source = states[history]
            for word, probability in words.items():
                cost = -math.log(probability)
                if word == END:
                    graph.final[source] = cost
                else:
                    target = states[self._longest((*history, word)[-2:])]
                    graph.arcs.append(Arc(source, target, number[word], number[word], cost))
            if history:
                cost = -math.log(self.back_off[history])
                target = states[self._longest(history[1:])]
                graph.arcs.append(Arc(source, target, EPSILON, EPSILON, cost))
        return graph

    def _longest(self, history: History) -> History:
        while history not in self.after:
            history = history[1:]
        return history

    def _add_pair(self, history: History, seen: Counter[str]) -> None:
        single, total = self.after[()], seen.total()
        trust = total / (total + len(seen) * _SMOOTHING)
        found = {
            word: trust * count / total + (1 - trust) * single[word] for word, count in seen.items()
        }
        self._put(history, found, single)

    def _add_triple(self, history: History, seen: Counter[str]) -> None:
        total = seen.total()
        frequent = {word: count for word, count in seen.items() if count >= _LEAST_TRIGRAM}
        if total < 2 * _LEAST_TRIGRAM or not frequent or history[1] == END:
            return
        shorter, kept = self.after[history[1:]], sum(frequent.values())
        trust = kept / (total + len(frequent) * _SMOOTHING)
        found = {
            word: trust * count / kept + (1 - trust) * shorter[word]
            for word, count in frequent.items()
        }
        self._put(history, found, shorter)

    def _put(self, history: History, found: Probabilities, shorter: Probabilities) -> None:
        """Keep ``found``; what it leaves over goes to the words that only ``shorter`` has."""
        left = 1 - sum(found.values())
        unseen = 1 - sum(shorter[word] for word in found)
        self.after[history] = found
        self.back_off[history] = max(_FLOOR, left) / max(_FLOOR, unseen)


def _single(sentences: Sequence[Sequence[str]], general: Mapping[str, int]) -> Probabilities:
    counts = Counter(word for words in sentences for word in words)
    domain_total = counts.total() + len(sentences)
    general_total = sum(general.values()) or 1
    mixed = {
        word: _DOMAIN_WEIGHT * counts[word] / domain_total
        + (1 - _DOMAIN_WEIGHT) * (1 - _GENERAL_END_SHARE) * general.get(word, 0) / general_total
        for word in sorted({*counts, *general})
    }
    mixed[END] = (
        _DOMAIN_WEIGHT * len(sentences) / domain_total + (1 - _DOMAIN_WEIGHT) * _GENERAL_END_SHARE
    )
    total = sum(mixed.values())
    return {word: max(_FLOOR, share / total) for word, share in mixed.items()}


def _counts(
    sentences: Iterable[Sequence[str]],
) -> tuple[dict[str, Counter[str]], dict[History, Counter[str]]]:
    pairs: dict[str, Counter[str]] = defaultdict(Counter)
    triples: dict[History, Counter[str]] = defaultdict(Counter)
    for words in sentences:
        whole = [BEGIN, *words, END]
        for place in range(1, len(whole)):
            pairs[whole[place - 1]][whole[place]] += 1
            if place > 1:
                triples[whole[place - 2], whole[place - 1]][whole[place]] += 1
    return pairs, triples
