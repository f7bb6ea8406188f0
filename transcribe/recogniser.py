"""The contract of everything that turns sound into words, and the types of what it hears."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from core.errors import N_, InvalidInput

CHUNK_MS = 200
"""Step in which sound enters the decoder. Its text depends on the step, so there is one only."""

CODE_VERSION = 2
"""Raised when a change of our code can change what is heard in the same sound by the same model."""

PLAIN_WAV_ONLY = N_("The decoder takes PCM16 WAV files with one or two channels only.")
RATES_HZ = range(8_000, 48_001)
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
class DecoderConfig:
    """All that decides, beside the model, what is heard in a sound.

    ``gate``: long pauses are not decoded (transcribe.gate). ``alternatives``: most other hearings
    kept for an utterance whose confidence (0-1) is below ``alternatives_below``; 0 for none.
    ``grammar_sha256``: hash of the run-time grammar's file, None without one.
    """

    chunk_ms: int = CHUNK_MS
    gate: bool = True
    alternatives: int = 5
    alternatives_below: float = 0.7
    grammar_sha256: str | None = None
    code_version: int = CODE_VERSION

    def with_grammar(self, grammar: Path | None) -> DecoderConfig:
        """The same with the grammar in this file, or without any."""
        sha256 = hashlib.sha256(grammar.read_bytes()).hexdigest() if grammar else None
        return replace(self, grammar_sha256=sha256)

    def to_json(self) -> dict[str, Any]:
        """Plain data to store beside what was heard."""
        return asdict(self)

    @property
    def hash(self) -> str:
        """SHA-256 of ``to_json``; alike for alike configurations, in every process."""
        plain = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(plain.encode()).hexdigest()


STANDARD = DecoderConfig()
"""How sounds are decoded where nobody asks for something else."""


@dataclass(frozen=True)
class Word:
    """词. Times in ms from the start of the sound; ``confidence`` 0-1 (1 = certain)."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float


@dataclass(frozen=True)
class Utterance:
    """语段: words between two pauses; never empty.

    ``alternatives``: other texts its sound may hold, likeliest first, where the words are in doubt.
    ``side``: channel of a call recorded in two (0 left, 1 right), None for one programme.
    """

    words: tuple[Word, ...]
    alternatives: tuple[str, ...] = ()
    side: int | None = None

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

    ``diagnosis`` is set when no word was heard: "silent" (no voice in it), "wrong_rate", "clipped",
    "cut_off" (short, and ends in mid-speech), else "not_understood" (another language, a bad line;
    a person must listen). ``remarks`` say what may have spoilt the words: "wrong_rate:16000" (it
    has clear words at that rate), "clipped", "cut_off".
    """

    utterances: tuple[Utterance, ...]
    duration_ms: int
    sample_rate_hz: int
    diagnosis: str | None = None
    remarks: tuple[str, ...] = ()

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
            Utterance(
                tuple(Word(**word) for word in said["words"]),
                tuple(said["alternatives"]),
                said["side"],
            )
            for said in data["utterances"]
        )
        return cls(**{**data, "utterances": utterances, "remarks": tuple(data["remarks"])})


class Listening(Protocol):
    """Hears one sound while it comes in. ``finish`` ends it; batch and stream both go this way."""

    @property
    def utterances(self) -> tuple[Utterance, ...]:
        """What was heard so far, up to the last pause."""
        ...

    def feed(self, pcm: bytes) -> None:
        """The next piece of PCM16LE mono sound, of any size, odd ones included."""
        ...

    def finish(self) -> Recognition:
        """All that was heard; the same whatever pieces the sound came in."""
        ...


class Recogniser(Protocol):
    """Hears sounds, each independent of the last; not safe to use from two threads at once."""

    def listen(
        self,
        sample_rate_hz: int,
        config: DecoderConfig = STANDARD,
        grammar: Path | None = None,
    ) -> Listening:
        """Begin a sound. Raises InvalidInput for a rate outside 8-48 kHz or a grammar that is none.

        ``grammar``: JSON file, a list of sentences (words with blanks between them) that become
        the language model of this sound.
        """
        ...

    def recognise(
        self,
        pcm: Iterable[bytes],
        sample_rate_hz: int,
        config: DecoderConfig = STANDARD,
        grammar: Path | None = None,
    ) -> Recognition:
        """``listen`` to a whole sound."""
        ...
