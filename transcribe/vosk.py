"""Vosk behind the contract, with what was learnt about it the hard way.

One KaldiRecognizer serves one sound and then goes: reuse carries adaptation over. Sound enters in
fixed steps, because the text depends on them. Every Result is collected: FinalResult holds only
the last segment. n-best lists stay off: they replace confidences by scores that are none.
Importing this module loads libvosk; only decoder processes do so.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import vosk

from core.errors import N_, InvalidInput, ToolFailed
from transcribe.activity import VoiceMeter
from transcribe.recogniser import (
    NOT_UNDERSTOOD,
    SILENT,
    STANDARD,
    DecoderConfig,
    Recognition,
    Utterance,
    Word,
    check_rate,
)

_INCOMPATIBLE = ("kaldifst", "wetext", "_kaldifst")
SAMPLE_BYTES = 2


class VoskRecogniser:
    """A loaded model. ``path`` is its folder in any of Vosk's layouts."""

    def __init__(self, path: Path, *, quiet: bool = True) -> None:
        intruders = [name for name in _INCOMPATIBLE if name in sys.modules]
        if intruders:
            raise RuntimeError(f"{intruders[0]} and vosk in one process hang: use another process")
        vosk.SetLogLevel(-1 if quiet else 0)
        try:
            self._model = vosk.Model(str(path))
        except Exception as error:  # vosk raises bare Exception
            raise ToolFailed(N_("The speech model could not be loaded.")) from error
        self._one_graph = any((path / name).is_file() for name in ("graph/HCLG.fst", "HCLG.fst"))

    def listen(
        self,
        sample_rate_hz: int,
        config: DecoderConfig = STANDARD,
        grammar: Path | None = None,
    ) -> VoskListening:
        rate = check_rate(sample_rate_hz)
        if grammar is None:
            return VoskListening(vosk.KaldiRecognizer(self._model, rate), rate, config)
        if self._one_graph:
            raise InvalidInput(
                N_("This speech model takes no grammar: its words are built into one graph."),
                field="grammar",
            )
        sentences = json.dumps(_sentences(grammar), ensure_ascii=False)
        return VoskListening(vosk.KaldiRecognizer(self._model, rate, sentences), rate, config)

    def recognise(
        self,
        pcm: Iterable[bytes],
        sample_rate_hz: int,
        config: DecoderConfig = STANDARD,
        grammar: Path | None = None,
    ) -> Recognition:
        listening = self.listen(sample_rate_hz, config, grammar)
        for piece in pcm:
            listening.feed(piece)
        return listening.finish()

    def knows(self, word: str) -> bool:
        """Whether ``word`` is in the model's vocabulary: no other word can ever be heard."""
        return bool(self._model.vosk_model_find_word(word) >= 0)


class VoskListening:
    """One sound on its way through the decoder."""

    def __init__(self, recognizer: Any, rate_hz: int, config: DecoderConfig) -> None:
        self._recognizer = recognizer
        self._recognizer.SetWords(True)
        self._rate = rate_hz
        self._steps = Steps(rate_hz * config.chunk_ms // 1000 * SAMPLE_BYTES)
        self._meter = VoiceMeter(rate_hz)
        self._size = 0
        self._utterances: list[Utterance] = []

    @property
    def utterances(self) -> tuple[Utterance, ...]:
        return tuple(self._utterances)

    def feed(self, pcm: bytes) -> None:
        for step in self._steps.add(pcm):
            self._accept(step)

    def finish(self) -> Recognition:
        rest = self._steps.rest()
        if rest:
            self._accept(rest)
        self._take(self._recognizer.FinalResult())
        diagnosis = None
        if not self._utterances:
            diagnosis = NOT_UNDERSTOOD if self._meter.heard_voice() else SILENT
        return Recognition(self.utterances, self._duration_ms, self._rate, diagnosis)

    @property
    def _duration_ms(self) -> int:
        return self._size // SAMPLE_BYTES * 1000 // self._rate

    def _accept(self, step: bytes) -> None:
        self._size += len(step)
        self._meter.keep(step)
        if self._recognizer.AcceptWaveform(step):
            self._take(self._recognizer.Result())

    def _take(self, segment_json: str) -> None:
        heard = json.loads(segment_json).get("result", [])
        words = tuple(_word(word, self._duration_ms) for word in heard)
        if words:
            self._utterances.append(Utterance(words))


class Steps:
    """Sound in pieces of any size, given on in pieces of exactly ``step_bytes``."""

    def __init__(self, step_bytes: int) -> None:
        self._step_bytes = step_bytes
        self._held = bytearray()

    def add(self, piece: bytes) -> Iterator[bytes]:
        """All whole steps there are now."""
        self._held += piece
        whole = len(self._held) - len(self._held) % self._step_bytes
        ready = bytes(self._held[:whole])
        del self._held[:whole]
        for start in range(0, whole, self._step_bytes):
            yield ready[start : start + self._step_bytes]

    def rest(self) -> bytes:
        """What is left at the end: shorter than a step and never odd."""
        rest = bytes(self._held[: len(self._held) - len(self._held) % SAMPLE_BYTES])
        self._held.clear()
        return rest


def _sentences(grammar: Path) -> list[str]:
    try:
        sentences = json.loads(grammar.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        sentences = None
    if isinstance(sentences, list) and sentences and all(map(_is_sentence, sentences)):
        return sentences
    raise InvalidInput(
        N_("A grammar is a JSON file with a list of sentences, none of them empty."),
        field="grammar",
    )


def _is_sentence(given: object) -> bool:
    return isinstance(given, str) and bool(given.strip())


def _word(heard: dict[str, Any], duration_ms: int) -> Word:
    start_ms = min(max(round(heard["start"] * 1000), 0), duration_ms)
    end_ms = min(max(round(heard["end"] * 1000), start_ms), duration_ms)
    confidence = min(max(float(heard["conf"]), 0.0), 1.0)
    return Word(heard["word"].replace(" ", ""), start_ms, end_ms, round(confidence, 4))
