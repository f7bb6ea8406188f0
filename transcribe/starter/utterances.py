"""Training utterances: a text, spoken in some manner, disturbed, as features with labels."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from transcribe.starter import alignment, lexicon, phones, sound, voices
from transcribe.starter.sentences import phrases

GENERAL_WORDS = 12_000
_DOMAIN_SHARE, _WORDS_SHARE = 0.5, 0.42
_FLATTENING = 0.4
"""Frequencies to this power: rare words are heard often enough, too."""

_JOINED_SHARE = 0.75
_FRAMES_PER_LABEL = 3

Text = list[tuple[str, ...]]
"""Words as syllables."""


@dataclass(frozen=True)
class Utterance:
    """``features`` [frames of 10 ms, 40], ``labels`` [frames of 30 ms]."""

    features: NDArray[np.float16]
    labels: NDArray[np.int16]


class Maker:
    """Makes the same utterances for the same seed, but for single samples of some voices."""

    def __init__(self, seed: int) -> None:
        self._chance = Random(seed)
        self._noise = np.random.default_rng(seed)
        self._speaker = voices.Espeak()
        self._aligner = alignment.Aligner(self._speaker)
        self._disturber = sound.Disturber(self._chance, self._noise)
        self._segmenter = lexicon.Segmenter(lexicon.dictionary())
        general = lexicon.most_frequent(GENERAL_WORDS)
        self._words = list(general)
        weights = np.array(list(general.values()), np.float64) ** _FLATTENING
        self._ends = np.cumsum(weights / weights.sum())
        self.dropped = 0

    def next(self) -> Utterance:
        """The next one whose alignment fits; the others are counted in ``dropped``."""
        while True:
            found = self._try(self._text())
            if found is not None:
                return found
            self.dropped += 1

    def _text(self) -> Text:
        """A sentence of the domain, or words in any order, or syllables in any order."""
        chance = self._chance
        kind = chance.random()
        if kind < _DOMAIN_SHARE:
            words = self._segmenter.cut(phrases().training_sentence(chance))
            text = [phones.syllables(word) for word in words]
        elif kind < _DOMAIN_SHARE + _WORDS_SHARE:
            drawn = np.searchsorted(self._ends, self._noise.random(chance.randint(2, 8)))
            text = [phones.syllables(self._words[min(n, len(self._words) - 1)]) for n in drawn]
        else:
            syllables = phones.all_syllables()
            text = [(chance.choice(syllables),) for _ in range(chance.randint(3, 9))]
        if chance.random() < _JOINED_SHARE:
            return text
        return [(syllable,) for word in text for syllable in word]

    def _try(self, text: Text) -> Utterance | None:
        from transcribe.starter.features import mfcc

        if not all(phones.units(syllable) for word in text for syllable in word):
            return None
        chance = self._chance
        spelt = " ".join("".join(word) for word in text)
        spoken = self._speaker.speak(spelt, voices.training_manner(chance))
        marks = self._aligner.marks(text, spoken)
        if marks is None:
            return None
        speed = chance.choice([1.0, 1.0, 1.0, chance.uniform(0.9, 1.12)])
        lead = int(chance.choice([0.0, chance.uniform(0.05, 0.7)]) * sound.RATE_HZ)
        trail = int(chance.uniform(0.05, 0.6) * sound.RATE_HZ)
        clean = sound.at_16_khz(spoken.samples, speed)
        padded, moved = sound.between_silences(clean, marks, lead, trail, speed)
        features = mfcc(self._disturber.disturb(padded))
        labels = alignment.labels(moved, -(-len(features) // _FRAMES_PER_LABEL))
        return None if labels is None else Utterance(features.astype(np.float16), labels)


def write_shard(path: Path, seed: int, seconds: float) -> dict[str, float]:
    """Make utterances of ``seconds`` in all, in one file that appears whole; returns counts."""
    maker, made, frames = Maker(seed), list[Utterance](), 0
    while frames < seconds * 100:
        made.append(maker.next())
        frames += len(made[-1].features)
    facts = {"utterances": len(made), "hours": frames / 360_000, "dropped": maker.dropped}
    part = path.with_suffix(".part")
    with part.open("wb") as out:
        np.savez(
            out,
            features=np.concatenate([one.features for one in made]),
            labels=np.concatenate([one.labels for one in made]),
            frames=[len(one.features) for one in made],
            facts=json.dumps(facts),
        )
        os.fsync(out.fileno())
    part.replace(path)
    return facts


def read_shards(paths: Sequence[Path]) -> list[Utterance]:
    """All utterances of these files."""
    found = []
    for path in paths:
        with np.load(path) as shard:
            features, labels, counts = shard["features"], shard["labels"], shard["frames"]
        frame = label = 0
        for count in counts.tolist():
            label_count = -(-count // _FRAMES_PER_LABEL)
            found.append(
                Utterance(features[frame : frame + count], labels[label : label + label_count])
            )
            frame, label = frame + count, label + label_count
    return found
