"""Words and how they are read.

General words and their frequencies come from the dictionary file of the jieba package (MIT);
sentences are cut into its words by our own search for the likeliest cut.
"""

from __future__ import annotations

import importlib.util
import itertools
import math
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path

import pypinyin

from transcribe.starter import phones

UNKNOWN = "[unk]"
"""Any one syllable. Only grammars at run time lead to it."""

_HANZI = re.compile(r"[\u4e00-\u9fa5]{1,4}")
_LONGEST_WORD = 4
Reading = tuple[str, ...]


@cache
def dictionary() -> dict[str, int]:
    """All words of one to four Hanzi with how often they were counted, the most frequent first."""
    found = importlib.util.find_spec("jieba")
    if found is None or found.origin is None:
        raise RuntimeError("the dictionary of the jieba package is missing: run `make model`")
    counted = {}
    with (Path(found.origin).parent / "dict.txt").open(encoding="utf-8") as lines:
        for line in lines:
            word, count = line.split()[:2]
            if _HANZI.fullmatch(word):
                counted[word] = int(count)
    return dict(sorted(counted.items(), key=lambda entry: (-entry[1], entry[0])))


def most_frequent(count: int) -> dict[str, int]:
    """The first ``count`` words of the dictionary that Mandarin's syllables can spell."""
    words: dict[str, int] = {}
    for word, frequency in dictionary().items():
        if len(words) == count:
            break
        if is_readable(word):
            words[word] = frequency
    return words


def is_readable(word: str) -> bool:
    """Whether every Hanzi has a syllable that the model has sounds for."""
    found = phones.syllables(word)
    return len(found) == len(word) and all(phones.units(syllable) for syllable in found)


class Segmenter:
    """Cuts a sentence into known words so that the product of their frequencies is greatest."""

    def __init__(self, frequencies: Mapping[str, int]) -> None:
        total = math.log(sum(frequencies.values()) or 1)
        self._cost = {word: total - math.log(max(1, count)) for word, count in frequencies.items()}
        self._unknown = total + 1

    def cut(self, sentence: str) -> list[str]:
        """The words; a Hanzi that no word covers stands alone."""
        best: list[tuple[float, int]] = [(0.0, 0)]
        for end in range(1, len(sentence) + 1):
            starts = range(max(0, end - _LONGEST_WORD), end)
            best.append(min((best[s][0] + self._cost_of(sentence[s:end]), s) for s in starts))
        words, end = [], len(sentence)
        while end:
            start = best[end][1]
            words.append(sentence[start:end])
            end = start
        return words[::-1]

    def _cost_of(self, word: str) -> float:
        missing = self._unknown if len(word) == 1 else math.inf
        return self._cost.get(word, missing)


def readings(
    words: Iterable[str], said: Callable[[str], tuple[str, ...]]
) -> dict[str, list[Reading]]:
    """How each word may be said: by its pinyin, and as the voice reads it where that differs.

    ``said`` gives the sounds of Hanzi or pinyin; they tell no tones.
    """
    alone: dict[str, tuple[str, ...]] = {}

    def sounds(reading: Reading) -> tuple[str, ...]:
        for syllable in reading:
            if syllable not in alone:
                alone[syllable] = said(syllable)
        return tuple(sound for syllable in reading for sound in alone[syllable])

    found: dict[str, list[Reading]] = {}
    for word in words:
        usual = phones.syllables(word)
        found[word] = [usual]
        heard = said(word)
        if heard != sounds(usual):
            others = itertools.product(*map(_readings_of_one, word))
            found[word] += itertools.islice((r for r in others if sounds(r) == heard), 1)
    return found


@cache
def _readings_of_one(hanzi: str) -> list[str]:
    heteronyms = pypinyin.pinyin(
        hanzi,
        style=pypinyin.Style.TONE3,
        heteronym=True,
        neutral_tone_with_five=True,
        v_to_u=False,
    )
    return [one for one in (r.replace("ü", "v") for r in heteronyms[0]) if phones.units(one)]


def any_syllable() -> list[Reading]:
    """The readings of UNKNOWN."""
    return [(syllable,) for syllable in phones.all_syllables()]
