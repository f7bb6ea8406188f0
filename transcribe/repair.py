"""Names of places put right by their sound: 风树零村 was 枫树岭村.

A recogniser knows no village's name and writes what sounds alike. Every run of syllables that
could be a full name is compared with the names of the area, tones ignored, the usual mix-ups of
accents (n/l, zh/z, f/h, in/ing …) counted as small. A run is repaired only when one name is near,
no other is nearly as near, and what was heard is no known name itself.

Measured on 72 spoken sentences (24 villages, most of them unknown to the starter model; 8 kHz):
the name was right in 9 as heard, in 69 after repair, none was put in wrongly, and
nothing was changed in 150 sentences without names. ``NEAR`` was chosen on every other village
(6 -> 34 of 36); the rest (3 -> 35 of 36) was not looked at before.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from pypinyin import Style, pinyin
from rapidfuzz.distance import Levenshtein

from transcribe.punctuate import Timed

NEAR = 0.15
"""Mean cost a syllable up to which a run counts as the name (0 same sound, 1 nothing alike)."""

CLEARLY = 0.1
"""The second-best name must be farther away by so much."""

LEAST_SYLLABLES = 3
"""A shorter run sounds like too many ordinary words: 上西 is 上溪村 only with its 村."""

ENDINGS = "村庄镇乡寨屯县市"
REST_MS = 500
"""Nobody rests so long within a name."""

MIXED_UP = 0.3
_INITIALS = ("nl", "zh z", "ch c", "sh s", "fh", "rl")
_FINALS = ("in ing", "en eng", "an ang", "ian iang", "uan uang", "un ong")


@dataclass(frozen=True)
class Repair:
    """``heard``, within ``words[first_word:after_word]``, is ``name``; ``distance`` 0-1."""

    first_word: int
    after_word: int
    heard: str
    name: str
    distance: float


Syllables = tuple[frozenset[tuple[str, str]], ...]
"""Per character the (initial, final) of each reading it can have."""

Shapes = dict[tuple[int, str], list[str]]
"""(length, 村 or the like, "" for none) -> forms of names."""


def place_names(words: Sequence[Timed], names: Sequence[str]) -> list[Repair]:
    """The names that ``words`` probably mean, in order and without overlap.

    ``names``: full names of places (石桥村); names of one syllable before 村 are left out.
    """
    forms = {form: name for name in dict.fromkeys(names) for form in _forms(name)}
    shapes: Shapes = {}
    for form in forms:
        shapes.setdefault((len(form), _ending(form)), []).append(form)
    known = {*names, *forms}
    text = "".join(word.text for word in words)
    owner = [index for index, word in enumerate(words) for _ in word.text]
    found: list[Repair] = []
    done = 0
    for start, end in _windows(words, text, sorted({length for length, _ in shapes}, reverse=True)):
        heard = text[start:end]
        if start < done or any(name in heard for name in known):
            continue
        best = _nearest(heard, shapes, forms)
        if best is not None:
            found.append(Repair(owner[start], owner[end - 1] + 1, heard, *best))
            done = end
    return found


def distance(heard: str, name: str) -> float:
    """Mean cost a syllable, 0-1; 1 when they differ in length."""
    if len(heard) != len(name) or not name:
        return 1.0
    pairs = zip(_syllables(heard), _syllables(name), strict=True)
    return sum(_syllable_cost(one, other) for one, other in pairs) / len(name)


def _forms(name: str) -> Iterator[str]:
    """How a name is said: in full, and without its 村 when that is long enough."""
    stem = name[:-1] if name[-1:] in ENDINGS else name
    if len(stem) < 2 or not all("\u4e00" <= char <= "\u9fff" for char in name):
        return
    if len(name) >= LEAST_SYLLABLES:
        yield name
    if len(stem) >= LEAST_SYLLABLES:
        yield stem


def _windows(
    words: Sequence[Timed], text: str, lengths: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """Runs of characters as long as a name, without a rest; longer ones first at each place."""
    edges: list[int] = []
    at = 0
    for word, following in pairwise(words):
        at += len(word.text)
        if following.start_ms - word.end_ms >= REST_MS:
            edges.append(at)
    edges.append(len(text))
    for start in range(len(text)):
        until = edges[bisect_right(edges, start)]
        yield from ((start, start + length) for length in lengths if start + length <= until)


def _nearest(heard: str, shapes: Shapes, forms: dict[str, str]) -> tuple[str, float] | None:
    """The form that is meant and its distance; None when none is near or two are."""
    alike = {*shapes.get((len(heard), ""), ()), *shapes.get((len(heard), _ending(heard)), ())}
    near = sorted((distance(heard, form), form) for form in alike)
    if not near or near[0][0] > NEAR:
        return None
    best, form = near[0]
    rivals = [cost for cost, other in near[1:] if forms[other] != forms[form]]
    if rivals and rivals[0] - best < CLEARLY:
        return None
    return form, round(best, 3)


def _ending(form: str) -> str:
    return form[-1] if form[-1] in ENDINGS else ""


@lru_cache(maxsize=8192)
def _syllables(text: str) -> Syllables:
    return tuple(_readings(char) for char in text)


@lru_cache(maxsize=8192)
def _readings(char: str) -> frozenset[tuple[str, str]]:
    initials = pinyin(char, style=Style.INITIALS, heteronym=True)
    finals = pinyin(char, style=Style.FINALS, heteronym=True)
    full = pinyin(char, style=Style.NORMAL, heteronym=True)
    if not (initials and finals and full):
        return frozenset()
    return frozenset(
        (initial, final)
        for initial in initials[0]
        for final in finals[0]
        if any(sound.startswith(initial) for sound in full[0])
    )


@lru_cache(maxsize=65536)
def _syllable_cost(one: frozenset[tuple[str, str]], other: frozenset[tuple[str, str]]) -> float:
    return min(
        (
            (_initial_cost(one_i, other_i) + _final_cost(one_f, other_f)) / 2
            for one_i, one_f in one
            for other_i, other_f in other
        ),
        default=1.0,
    )


def _initial_cost(one: str, other: str) -> float:
    if one == other:
        return 0.0
    return MIXED_UP if frozenset((one, other)) in _ALIKE else 1.0


def _final_cost(one: str, other: str) -> float:
    if one == other:
        return 0.0
    if frozenset((one, other)) in _ALIKE:
        return MIXED_UP
    return max(0.5, float(Levenshtein.normalized_distance(one, other)))


_ALIKE = frozenset(
    frozenset(pair.split() if " " in pair else pair) for pair in (*_INITIALS, *_FINALS)
)
