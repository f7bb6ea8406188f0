"""From sentences to a run-time language model: cut into words the speech model knows.

Vosk makes a bigram model of a list of sentences (``SetGrammar``) and hears nothing but their
words. So all words of a small vocabulary are given, too, each as a sentence of its own: they keep
a small probability, and what nobody foresaw can still be heard. Pure but for reading words.txt.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from transcribe import grams
from transcribe.word_check import segment

MAX_SENTENCES = 5_000
"""20,000 take 0.24 s to become a model, before each sound; 5,000 take 0.1 s (starter model)."""

MAX_COVERED = 20_000
"""Of a larger vocabulary only single characters are given beside the words of the sentences."""

_SPECIAL = re.compile(r"[<\[#!].*")


@dataclass(frozen=True)
class GrammarText:
    """``sentences``: words with blanks between. ``lacking``: what no word of the model covers,
    with the number of times, the most frequent first."""

    sentences: tuple[str, ...]
    lacking: tuple[tuple[str, int], ...]


def takes_grammar(model: Path) -> bool:
    """Whether the model can be given another language model at run time (look-ahead graph)."""
    graph = model / "graph"
    return (graph / "HCLr.fst").is_file() and not (graph / "HCLG.fst").is_file()


def vocabulary(model: Path) -> frozenset[str]:
    """The words a look-ahead model can hear."""
    path = model / "graph" / "words.txt"
    return _vocabulary(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _vocabulary(path: Path, _changed_ns: int) -> frozenset[str]:
    with path.open(encoding="utf-8") as lines:
        words = (line.split(None, 1)[0] for line in lines if line.strip())
        return frozenset(word for word in words if not _SPECIAL.fullmatch(word))


def cut(
    texts: Iterable[str], known: Collection[str], *, at_most: int | None = MAX_SENTENCES
) -> GrammarText:
    """The sentences in words of the model, in order, doubles kept (they count).

    A sentence ends at signs and where the model lacks a word. ``at_most``: None for all.
    """
    sentences: list[str] = []
    lacking: dict[str, int] = {}
    for text in texts:
        for clause in _clauses(text):
            words: list[str] = []
            for piece, is_known in segment(clause, known):
                if is_known:
                    words.append(piece)
                    continue
                lacking[piece] = lacking.get(piece, 0) + 1
                sentences += [" ".join(words)] if words else []
                words = []
            sentences += [" ".join(words)] if words else []
    ranked = sorted(lacking.items(), key=lambda item: (-item[1], item[0]))
    return GrammarText(tuple(sentences[:at_most]), tuple(ranked))


def _clauses(text: str) -> list[str]:
    parts = re.split(r"[，。！？；：、,.!?;:\s…]+", text)
    return [plain for plain in map(grams.plain, parts) if plain]


def complete(sentences: Sequence[str], known: Collection[str]) -> list[str]:
    """The sentences and then the vocabulary that keeps everything else hearable."""
    covered = known if len(known) <= MAX_COVERED else [word for word in known if len(word) == 1]
    return [*sentences, *sorted(covered)]
