"""The contract of everything that turns sound into words, and the types of what it hears."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Protocol

from core.errors import N_, InvalidInput

CHUNK_MS = 200
"""Step in which sound enters the decoder. Its text depends on the step, so there is one only."""

CODE_VERSION = 1
"""Raised when a change of our code can change the text of the same sound and model."""

DECODER = {"chunk_ms": CHUNK_MS, "alternatives": 0, "code_version": CODE_VERSION}
"""Stored beside each machine transcript: with the model's hash it says how the text was made."""

RATES_HZ = range(8_000, 48_001)
SILENT, NOT_UNDERSTOOD = "silent", "not_understood"
_ASCII_EDGE = re.compile(r"[A-Za-z0-9]")


def join(texts: Iterable[str]) -> str:
    """Words to running text: Chinese without spaces, one space between two Latin words."""
    joined = ""
    for text in texts:
        apart = joined and _ASCII_EDGE.match(joined[-1]) and _ASCII_EDGE.match(text)
        joined += f" {text}" if apart else text
    return joined


def check_rate(sample_rate_hz: int) -> int:
    """The rate, if a decoder can take it (8-48 kHz); InvalidInput otherwise, zero included."""
    if sample_rate_hz not in RATES_HZ:
        raise InvalidInput(
            N_("Sound with %(rate)s samples a second cannot be heard; 8,000 to 48,000 can."),
            field="file",
            params={"rate": sample_rate_hz},
        )
    return sample_rate_hz


@dataclass(frozen=True)
class Word:
    """词. Times in ms from the start of the sound; ``confidence`` 0-1 (1 = certain)."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float


@dataclass(frozen=True)
class Utterance:
    """语段: words between two pauses; never empty."""

    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        return join(word.text for word in self.words)

    @property
    def start_ms(self) -> int:
        return self.words[0].start_ms

    @property
    def end_ms(self) -> int:
        return self.words[-1].end_ms

    @property
    def confidence(self) -> float:
        """Mean of the words' confidences, 0-1."""
        return sum(word.confidence for word in self.words) / len(self.words)


@dataclass(frozen=True)
class Recognition:
    """All that was heard in one sound.

    ``diagnosis`` is set when no word was heard: "silent" (no voice in it) or "not_understood"
    (a voice, but no words: another language, a bad line; a person must listen).
    """

    utterances: tuple[Utterance, ...]
    duration_ms: int
    sample_rate_hz: int
    diagnosis: str | None = None

    @cached_property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for utterance in self.utterances for word in utterance.words)

    @property
    def text(self) -> str:
        return join(utterance.text for utterance in self.utterances)

    @property
    def confidence(self) -> float | None:
        """Mean of the words' confidences, 0-1; None without words."""
        if not self.words:
            return None
        return sum(word.confidence for word in self.words) / len(self.words)

    def to_json(self) -> dict[str, Any]:
        """Plain data that ``from_json`` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Recognition:
        utterances = tuple(
            Utterance(tuple(Word(**word) for word in utterance["words"]))
            for utterance in data["utterances"]
        )
        return cls(**{**data, "utterances": utterances})


class Recogniser(Protocol):
    """Hears one sound after the other; not safe to use from two threads at once."""

    def recognise(self, pcm: Iterable[bytes], sample_rate_hz: int) -> Recognition:
        """Words of PCM16LE mono sound, given in pieces of any size, odd ones included.

        Raises InvalidInput for a rate outside 8-48 kHz. Each call is independent of the last.
        """
        ...
