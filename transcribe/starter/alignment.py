"""Which sound each 30 ms of a spoken sentence belongs to: the labels the network learns.

espeak-ng tells when each phoneme begins. How many phonemes a syllable has is learnt by letting it
say every syllable alone; a word whose phonemes are not those of its syllables is not used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from transcribe.starter import phones
from transcribe.starter.voices import Espeak, Manner, Phoneme, Spoken

FRAME_MS = 30
CENTRE_MS = 12.5
"""The middle of the first analysis window: 25 ms from 0 on."""

IGNORED = -1
_PAUSE = "(pause)"
_LONG_PAUSE_MS = 90
_SHORTEST_LEAD_MS = 30
_FAST = Manner(rate_wpm=300)

Mark = tuple[float, str]
"""(start in ms, unit); it lasts until the next one."""


class Aligner:
    """Knows the phonemes of every syllable as ``speaker`` says it."""

    def __init__(self, speaker: Espeak) -> None:
        self._speaker = speaker
        self._known: dict[str, tuple[str, ...]] = {}

    def marks(self, words: Sequence[Sequence[str]], spoken: Spoken) -> list[Mark] | None:
        """Where the units of ``words`` (syllables each) begin; None when they do not fit."""
        groups = _without_pauses_of_their_own(spoken.words)
        if len(groups) != len(words):
            return None
        marks: list[Mark] = [(0.0, phones.SILENCE)]
        for syllables, group in zip(words, groups, strict=True):
            found = self._marks_of_word(syllables, group)
            if found is None:
                return None
            marks += found
        return _with_silences(marks, len(spoken.samples) * 1000 / 22_050)

    def _marks_of_word(
        self, syllables: Sequence[str], group: Sequence[Phoneme]
    ) -> list[Mark] | None:
        heard = [phoneme for phoneme in group if not phoneme.is_pause]
        expected = [self.phonemes(syllable) for syllable in syllables]
        if [_plain(phoneme.name) for phoneme in heard] != [n for names in expected for n in names]:
            return None
        marks, at = [], 0
        for syllable, names in zip(syllables, expected, strict=True):
            for offset, unit in enumerate(phones.units(syllable) or ()):
                if offset >= len(names):
                    return None
                marks.append((float(heard[at + offset].start_ms), unit))
            at += len(names)
        after = [phoneme for phoneme in group if phoneme.start_ms >= heard[-1].start_ms]
        pauses = [phoneme for phoneme in after if phoneme.is_pause]
        return [*marks, (float(pauses[0].start_ms), _PAUSE)] if pauses else marks

    def said(self, text: str) -> tuple[str, ...]:
        """The phonemes of any text as the voice reads it, without stress and pauses."""
        spoken = self._speaker.speak(text, _FAST)
        return tuple(_plain(p.name) for group in spoken.words for p in group if not p.is_pause)

    def phonemes(self, syllable: str) -> tuple[str, ...]:
        """espeak's names for the sounds of one syllable, without stress.

        Empty for jiong, qiong, xiong: espeak-ng 1.52 says "(en)" and spells them in English.
        """
        if syllable not in self._known:
            names = self.said(syllable)
            foreign = any(name.startswith("(") for name in names)
            self._known[syllable] = () if foreign else names
        return self._known[syllable]


def labels(marks: Sequence[Mark], frames: int) -> NDArray[np.int16] | None:
    """The network's output for each 30 ms frame; None when the sound is too short for the units.

    A unit has at least one frame. Its first frame has another label than the further ones.
    """
    starts = [max(0, math.ceil((start - CENTRE_MS) / FRAME_MS)) for start, _ in marks]
    starts[0] = 0
    for number in range(1, len(starts)):
        starts[number] = max(starts[number], starts[number - 1] + 1)
    if starts[-1] >= frames:
        return None
    found = np.full(frames, IGNORED, np.int16)
    ends = [*starts[1:], frames]
    for (_, unit), start, end in zip(marks, starts, ends, strict=True):
        first, further = phones.outputs_of(unit)
        found[start], found[start + 1 : end] = first, further
    return found


def _without_pauses_of_their_own(words: Sequence[list[Phoneme]]) -> list[list[Phoneme]]:
    """Groups that hold only pauses belong to the word before them."""
    groups: list[list[Phoneme]] = []
    for group in words:
        if any(not phoneme.is_pause for phoneme in group):
            groups.append(list(group))
        elif groups:
            groups[-1] += group
    return groups


def _with_silences(marks: list[Mark], end_ms: float) -> list[Mark]:
    """Long pauses and the last one become silence; short ones belong to the unit after them."""
    found: list[Mark] = []
    carried: float | None = None
    for number, (start, unit) in enumerate(marks):
        if unit != _PAUSE:
            found.append((start if carried is None else carried, unit))
            carried = None
            continue
        is_last = number == len(marks) - 1
        pause_ms = (end_ms if is_last else marks[number + 1][0]) - start
        if is_last or pause_ms >= _LONG_PAUSE_MS:
            found.append((start, phones.SILENCE))
        else:
            carried = start
    if len(found) > 1 and found[0][1] == phones.SILENCE and found[1][0] < _SHORTEST_LEAD_MS:
        found[:2] = [(0.0, found[1][1])]
    return found


def _plain(name: str) -> str:
    return name.strip("',")
