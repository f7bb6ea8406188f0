"""How texts become searchable: one form of writing, the sound of each character, pairs of sounds.

A text is found by the pairs of toneless pinyin syllables that stand beside each other in it. That
serves both kinds of search: whoever writes the same characters says the same syllables. Pure
rules; what a pair finds is looked at again (``Query.match``), so results are exact.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from pypinyin import Style, lazy_pinyin, pinyin
from pypinyin.constants import PINYIN_DICT

_DIGITS = {
    "0": "ling", "1": "yi", "2": "er", "3": "san", "4": "si",
    "5": "wu", "6": "liu", "7": "qi", "8": "ba", "9": "jiu",
}  # fmt: skip


@lru_cache(maxsize=20_000)
def _plain(char: str) -> str:
    folded = unicodedata.normalize("NFKD", char).casefold()
    return "".join(one for one in folded if one.isalnum())


def plain(text: str) -> str:
    """Letters, digits and characters alone: no signs or blanks, half width, one case, no accents.

    Works character by character: a part of a text is a part of its plain form.
    """
    return "".join(map(_plain, text))


def places(text: str) -> list[int]:
    """For each character of ``plain(text)`` where it comes from in ``text``."""
    return [at for at, char in enumerate(text) for _ in _plain(char)]


@lru_cache(maxsize=20_000)
def readings(char: str) -> tuple[str, ...]:
    """All toneless readings of one plain character, the usual one first ("lv" for 绿).

    A digit is read as a number; a letter stands for itself.
    """
    if char in _DIGITS:
        return (_DIGITS[char],)
    if ord(char) not in PINYIN_DICT:
        return (char,)
    return tuple(dict.fromkeys(pinyin(char, style=Style.NORMAL, heteronym=True)[0]))


def syllables(text: str) -> list[str]:
    """The sound of each character of a plain text, read as its neighbours ask for (银行: hang)."""
    sounds: list[str] = []
    for run, is_chinese in _runs(text):
        read = lazy_pinyin(run) if is_chinese else []
        if len(read) != len(run):
            read = [readings(char)[0] for char in run]
        sounds += (
            sound if sound in readings(char) else readings(char)[0]
            for char, sound in zip(run, read, strict=True)
        )
    return sounds


def _runs(text: str) -> Iterable[tuple[str, bool]]:
    start = 0
    for end in range(1, len(text) + 1):
        is_chinese = ord(text[start]) in PINYIN_DICT
        if end == len(text) or (ord(text[end]) in PINYIN_DICT) != is_chinese:
            yield text[start:end], is_chinese
            start = end


def pairs(sounds: Sequence[str]) -> set[str]:
    """Neighbouring syllables ("ting shui"), and the last one alone, so that it is found, too."""
    found = {f"{one} {other}" for one, other in pairwise(sounds)}
    return found | set(sounds[-1:])


@dataclass(frozen=True)
class Place:
    """What may stand at one place of a text: this character, or one that sounds so.

    ``char`` is empty where only the sound is asked for; ``sounds`` where only the character.
    """

    char: str
    sounds: tuple[str, ...]

    def fits(self, char: str, sound: str) -> bool:
        return char == self.char or sound in self.sounds

    @property
    def readings(self) -> tuple[str, ...]:
        """Every syllable under which a text that fits may be filed."""
        said = readings(self.char) if self.char else ()
        return tuple(dict.fromkeys((*said, *self.sounds)))


@dataclass(frozen=True)
class Query:
    """One way to read what somebody looks for; ``by_text``, ``by_sound`` make them."""

    wanted: tuple[Place, ...]

    @property
    def pairs(self) -> list[tuple[str, ...]]:
        """For each two neighbours the pairs one of which a text that fits has; empty for one
        place alone."""
        return [
            tuple(f"{left} {right}" for left in one.readings for right in other.readings)
            for one, other in pairwise(self.wanted)
        ]

    def match(self, text: str, sounds: Sequence[str]) -> int | None:
        """Where the query begins in a plain text with these sounds, None where it does not."""
        length = len(self.wanted)
        first = self.wanted[0]
        for start in range(len(text) - length + 1):
            if not first.fits(text[start], sounds[start]):
                continue
            if all(
                place.fits(text[start + offset], sounds[start + offset])
                for offset, place in enumerate(self.wanted)
            ):
                return start
        return None


def by_text(text: str) -> list[Query]:
    """The query for these very characters; none when nothing can be looked for."""
    wanted = tuple(Place(char, ()) for char in plain(text))
    return [Query(wanted)] if wanted else []


def by_sound(text: str) -> list[Query]:
    """Queries for what sounds like ``text``: characters, or pinyin as people type it.

    Letters that can be read as pinyin give one more query for each way to cut them (xian is also
    xi an), four at most. Every text that has ``text`` itself fits the first one.
    """
    written = plain(text)
    if not written:
        return []
    heard = syllables(written)
    literal = Query(
        tuple(
            Place(char, tuple(dict.fromkeys((sound, readings(char)[0]))))
            for char, sound in zip(written, heard, strict=True)
        )
    )
    typed = [Query(tuple(Place("", (one,)) for one in cut)) for cut in _typed_pinyin(text)]
    return [literal, *typed]


MOST_CUTS = 4


def _typed_pinyin(text: str) -> list[list[str]]:
    """Ways to read typed letters as syllables; none unless all of it is pinyin."""
    words = text.casefold().replace("ü", "v").replace("u:", "v").replace("'", " ").split()
    ways: list[list[str]] = [[]]
    for word in words:
        cuts = _cuts(word.rstrip("12345"))
        ways = [[*way, *cut] for way in ways for cut in cuts][:MOST_CUTS]
    return [way for way in ways if way]


def _cuts(word: str) -> list[list[str]]:
    known = _known_syllables()
    found: list[list[list[str]]] = [[[]]]
    for end in range(1, len(word) + 1):
        here = []
        for start in range(max(0, end - 6), end):
            syllable = word[start:end].rstrip("12345")
            if syllable in known:
                here += [[*cut, syllable] for cut in found[start]]
        found.append(sorted(here, key=len)[:MOST_CUTS])
    return found[-1] if word else []


@lru_cache(maxsize=1)
def _known_syllables() -> frozenset[str]:
    """The syllables of the 20,992 characters of Unicode's first block."""
    return frozenset(
        sound
        for code in range(0x4E00, 0xA000)
        if code in PINYIN_DICT
        for sound in readings(chr(code))
        if (len(sound) > 1 or sound in "aeo") and any(vowel in sound for vowel in "aeiouv")
    )
