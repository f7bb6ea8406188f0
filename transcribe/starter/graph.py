"""The search graph: HCLr.fst (sounds to words) and Gr.fst (which words follow each other).

Every phone has one state and no context, so its transition ids can be written right into the
lexicon; after determinizing, the loops are added by hand. Needs kaldifst: not for a process that
loads Vosk, where the two libraries' OpenFST collide.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import kaldifst

from transcribe.starter import phones
from transcribe.starter.fst import EPSILON, Arc, Graph, Labels, Workshop
from transcribe.starter.language import Trigrams
from transcribe.starter.lexicon import Reading

_SILENCE_SHARE = 0.2
"""How often a pause follows a word."""

_START, _LOOP, _SILENCE, _AFTER_SILENCE = range(4)


def write_graph(
    folder: Path,
    readings: Mapping[str, Sequence[Reading]],
    grammar: Trigrams,
    workshop: Workshop,
) -> None:
    """Write all files of ``folder``, a model's ``graph``."""
    (folder / "phones").mkdir(parents=True, exist_ok=True)
    number = {word: place for place, word in enumerate(sorted(readings), 1)}
    lexicon, marks = lexicon_graph(readings, number)
    compact = _determinized(workshop.compile(lexicon, "lexicon", sort="ilabel"))
    sounds = workshop.compile(with_loops(compact), "sounds", sort="olabel")
    relabelled = workshop.look_ahead(sounds, folder / "HCLr.fst")
    plain = workshop.compile(grammar.acceptor(number), "grammar", sort="ilabel")
    renamed = workshop.relabel(plain, "grammar-renamed")
    workshop.constant(workshop.sorted(renamed, "grammar-sorted", by="ilabel"), folder / "Gr.fst")
    _write_tables(folder, number, relabelled, marks)


def lexicon_graph(
    readings: Mapping[str, Sequence[Reading]], number: Mapping[str, int]
) -> tuple[Graph, int]:
    """Words in any order with pauses between them, and how many marks that needed.

    Enters: transition ids of the phones' first frames; leaves: numbers of words. A mark (a label
    above all transition ids) follows each pause and each word that sounds like another one or like
    the beginning of one: without it the graph could not be determinized.
    """
    pause, no_pause = -math.log(_SILENCE_SHARE), -math.log(1 - _SILENCE_SHARE)
    silence = phones.enter(phones.PHONE_ID[phones.SILENCE, ""])
    graph = Graph(
        [
            Arc(_START, _LOOP, EPSILON, EPSILON, no_pause),
            Arc(_START, _SILENCE, EPSILON, EPSILON, pause),
            Arc(_SILENCE, _AFTER_SILENCE, silence, EPSILON, 0.0),
            Arc(_AFTER_SILENCE, _LOOP, mark(1), EPSILON, 0.0),
        ],
        {_LOOP: 0.0},
    )
    state, marks = _AFTER_SILENCE, 1
    for word, labels in _marked(readings):
        source, leaves = _LOOP, number[word]
        for label in labels[:-1]:
            state += 1
            graph.arcs.append(Arc(source, state, label, leaves, 0.0))
            source, leaves = state, EPSILON
        for target, cost in ((_LOOP, no_pause), (_SILENCE, pause)):
            graph.arcs.append(Arc(source, target, labels[-1], leaves, cost))
        marks = max(marks, labels[-1] - phones.TRANSITIONS)
    return graph, marks


def mark(number: int) -> int:
    """The label of the mark ``number``, 1 upward."""
    return phones.TRANSITIONS + number


def _marked(readings: Mapping[str, Sequence[Reading]]) -> list[tuple[str, list[int]]]:
    """Each word's labels, with a mark where the sounds alone do not tell it."""
    spoken = [
        (word, phones.phones_of(reading)) for word in sorted(readings) for reading in readings[word]
    ]
    uses = Counter(sounds for _, sounds in spoken)
    beginnings = {sounds[:end] for _, sounds in spoken for end in range(1, len(sounds))}
    given: Counter[tuple[int, ...]] = Counter()
    found = []
    for word, sounds in spoken:
        labels = [phones.enter(phone) for phone in sounds]
        if uses[sounds] > 1 or sounds in beginnings:
            given[sounds] += 1
            labels.append(mark(1 + given[sounds]))
        found.append((word, labels))
    return found


def _determinized(source: Path) -> Graph:
    graph = kaldifst.StdVectorFst.read(str(source))
    kaldifst.determinize_star(graph)  # in place
    kaldifst.minimize_encoded(graph)
    return Graph.from_text(graph.to_str(show_weight_one=True))


def with_loops(graph: Graph) -> Graph:
    """``graph`` with the loop on which a phone stays for further frames.

    A state that is entered by one phone gets the loop itself. One that is entered in several ways
    gets a state before it for each phone, with the loop and a free way on.
    """
    ways: dict[int, set[int]] = defaultdict(set)
    ways[0].add(EPSILON)
    for arc in graph.arcs:
        ways[arc.target].add(_sound(arc.enters))
    free = 1 + max(max(arc.source, arc.target) for arc in graph.arcs)
    looped = Graph([], dict(graph.final))
    entry: dict[tuple[int, int], int] = {}
    for state in sorted(ways):
        for sound in sorted(ways[state]):
            own = state
            if sound != EPSILON and len(ways[state]) > 1:
                own, free = free, free + 1
                looped.arcs.append(Arc(own, state, EPSILON, EPSILON, 0.0))
            if sound != EPSILON:
                looped.arcs.append(Arc(own, own, sound - 1, EPSILON, 0.0))  # enter -> stay
            entry[state, sound] = own
    for arc in graph.arcs:
        looped.arcs.append(arc._replace(target=entry[arc.target, _sound(arc.enters)]))
    return looped


def _sound(label: int) -> int:
    """The transition id of an arc; EPSILON for marks, which take no time."""
    return EPSILON if label > phones.TRANSITIONS else label


def _write_tables(folder: Path, number: Mapping[str, int], new: Labels, marks: int) -> None:
    words = [f"{word} {new[old]}" for word, old in number.items()]
    places = [
        f"{phone} {phones.PLACE_NAMES[place]}" for phone, (_, place) in enumerate(phones.PHONES, 1)
    ]
    for name, lines in (
        ("words.txt", ["<eps> 0", *words]),
        ("disambig_tid.int", [str(mark(n)) for n in range(1, marks + 1)]),
        ("phones/word_boundary.int", places),
    ):
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
