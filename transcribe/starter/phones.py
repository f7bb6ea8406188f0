"""Sounds of Mandarin as this model divides them: initials, and finals with their tone.

Vosk counts in phone ids. A unit has one id for each place in a word (begin, internal, end, a word
of its own), all with the same two outputs of the network; that is how Vosk tells where words end.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import pypinyin
from pypinyin.contrib import tone_convert
from pypinyin.pinyin_dict import pinyin_dict

SILENCE = "SIL"
_INITIALS = "b p m f d t n l g k h j q x zh ch sh r z c s"
_FINALS = (
    "a o e ai ei ao ou an en ang eng ong er i ia ie iao iou ian in iang ing iong "
    "u ua uo uai uei uan uen uang ueng v ve van vn ii iz"
)
INITIALS, FINALS = tuple(_INITIALS.split()), tuple(_FINALS.split())
"""As pypinyin spells them in full; v is ü, ii the vowel of zhi, iz the vowel of zi."""

TONES = "12345"
UNITS = (SILENCE, *INITIALS, *(final + tone for final in FINALS for tone in TONES))
UNIT_NUMBER = {unit: number for number, unit in enumerate(UNITS)}
OUTPUTS = 2 * len(UNITS)

PLACE_NAMES = {"": "nonword", "B": "begin", "I": "internal", "E": "end", "S": "singleton"}
PHONES = (
    (SILENCE, ""),
    *((unit, place) for unit in UNITS[1:] for place in ("BI" if unit in INITIALS else "BIES")),
)
"""(unit, place in the word); the phone id is the index + 1."""

PHONE_ID = {phone: number for number, phone in enumerate(PHONES, 1)}
TRANSITIONS = 2 * len(PHONES)
_VOWEL_AFTER = {"zh": "ii", "ch": "ii", "sh": "ii", "r": "ii", "z": "iz", "c": "iz", "s": "iz"}


def outputs_of(unit: str) -> tuple[int, int]:
    """Outputs of the network for a unit: its first frame, its further frames."""
    return 2 * UNIT_NUMBER[unit], 2 * UNIT_NUMBER[unit] + 1


def enter(phone: int) -> int:
    """The transition id of a phone's first frame."""
    return 2 * phone


def stay(phone: int) -> int:
    """The transition id of each further frame."""
    return 2 * phone - 1


def syllables(word: str) -> tuple[str, ...]:
    """Pinyin of a word, one syllable per Hanzi, tones 1-5, v for ü; other signs are left out."""
    return tuple(
        _with_v(syllable)
        for syllable in pypinyin.lazy_pinyin(
            word,
            style=pypinyin.Style.TONE3,
            neutral_tone_with_five=True,
            v_to_u=False,
            errors="ignore",
        )
    )


@cache
def units(syllable: str) -> tuple[str, ...] | None:
    """The one or two units of a toned syllable; None for one Mandarin does not have."""
    toned = syllable if syllable[-1] in TONES else syllable + "5"
    initial = tone_convert.to_initials(toned, strict=True)
    final = tone_convert.to_finals_tone3(toned, strict=True, neutral_tone_with_five=True)
    final = _with_v(final).rstrip(TONES)
    if final == "i":
        final = _VOWEL_AFTER.get(initial, final)
    if final == "io":
        final = "o"
    found = tuple(filter(None, (initial, final + toned[-1])))
    return found if all(unit in UNIT_NUMBER for unit in found) else None


def phones_of(syllables_of_word: Sequence[str]) -> tuple[int, ...]:
    """Phone ids of a word; ValueError for a syllable that ``units`` does not know."""
    parts = [unit for syllable in syllables_of_word for unit in _known_units(syllable)]
    last = len(parts) - 1
    places = ["S"] if last == 0 else ["B", *"I" * (last - 1), "E"]
    return tuple(PHONE_ID[phone] for phone in zip(parts, places, strict=True))


@cache
def all_syllables() -> tuple[str, ...]:
    """Every toned syllable that some Hanzi is read as, in order."""
    found = set()
    for hanzi, readings in pinyin_dict.items():
        if 0x4E00 <= hanzi <= 0x9FA5:
            reading = readings.split(",")[0]
            syllable = tone_convert.to_tone3(reading, neutral_tone_with_five=True, v_to_u=False)
            found.add(_with_v(syllable))
    return tuple(sorted(filter(units, found)))


def _known_units(syllable: str) -> tuple[str, ...]:
    found = units(syllable)
    if found is None:
        raise ValueError(f"{syllable} is no syllable of Mandarin")
    return found


def _with_v(syllable: str) -> str:
    return syllable.replace("ü", "v")
