"""One sound on its way through a decoder: pauses skipped, doubts heard twice, failures explained.

The decoder is Vosk's KaldiRecognizer or what behaves like it; libvosk is not loaded here.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from transcribe import diagnosis, gate
from transcribe.activity import Activity
from transcribe.gate import Gate
from transcribe.recogniser import CHUNK_MS, DecoderConfig, Recognition, Utterance, Word

SAMPLE_BYTES = 2
KEPT_MS = 40_000
"""Sound kept for a second hearing. Kaldi ends an utterance after 20 s at the latest."""

MARGIN_MS = 300
TRIED_MS = 20_000
"""How much of a sound is tried at other rates."""

ALTERNATIVES_PER_TEXT = 3
"""Hearings asked for per text wanted: many differ only in how characters make words."""


class Kaldi(Protocol):
    """What is used of vosk.KaldiRecognizer."""

    def SetWords(self, enable_words: bool) -> None: ...
    def SetMaxAlternatives(self, max_alternatives: int) -> None: ...
    def AcceptWaveform(self, data: bytes) -> int: ...
    def Result(self) -> str: ...
    def FinalResult(self) -> str: ...


class VoskListening:
    """Fulfils ``recogniser.Listening``. ``make``: a fresh recogniser for a rate in Hz."""

    def __init__(
        self, make: Callable[[int], Kaldi], sample_rate_hz: int, config: DecoderConfig
    ) -> None:
        self._make, self._rate, self._config = make, sample_rate_hz, config
        self._recognizer = make(sample_rate_hz)
        self._incoming = Steps(self._bytes(CHUNK_MS))
        self._outgoing = Steps(self._bytes(config.chunk_ms))
        gated = config.gate and sample_rate_hz in gate.RATES_HZ
        self._gate = Gate(sample_rate_hz) if gated else None
        self._activity = Activity(sample_rate_hz)
        self._recent = _Recent(sample_rate_hz)
        self._beginning = bytearray()
        self._size = 0
        self._utterances: list[Utterance] = []

    @property
    def utterances(self) -> tuple[Utterance, ...]:
        return tuple(self._utterances)

    def feed(self, pcm: bytes) -> None:
        for step in self._incoming.add(pcm):
            self._hear(step)

    def finish(self) -> Recognition:
        self._hear(self._incoming.rest())
        self._decode(self._outgoing.rest())
        self._take(self._recognizer.FinalResult())
        words = [word for said in self._utterances for word in said.words]
        reason, remarks = diagnosis.explain(
            words, self._activity, self._duration_ms, self._true_rate_hz(words)
        )
        return Recognition(self.utterances, self._duration_ms, self._rate, reason, remarks)

    @property
    def _duration_ms(self) -> int:
        return self._size // SAMPLE_BYTES * 1000 // self._rate

    def _bytes(self, ms: int) -> int:
        return self._rate * ms // 1000 * SAMPLE_BYTES

    def _hear(self, step: bytes) -> None:
        if not step:
            return
        self._size += len(step)
        self._activity.hear(step)
        for piece in self._outgoing.add(self._gate.add(step) if self._gate else step):
            self._decode(piece)

    def _decode(self, piece: bytes) -> None:
        if not piece:
            return
        self._activity.measure(piece)
        self._recent.keep(piece)
        if len(self._beginning) < self._bytes(TRIED_MS):
            self._beginning += piece
        if self._recognizer.AcceptWaveform(piece):
            self._take(self._recognizer.Result())

    def _take(self, segment_json: str) -> None:
        heard = _words(segment_json)
        if not heard:
            return
        said = Utterance(tuple(self._in_the_original(word) for word in heard))
        if self._config.alternatives and said.confidence < self._config.alternatives_below:
            stretch = self._recent.stretch(heard[0].start_ms, heard[-1].end_ms)
            said = Utterance(said.words, self._others(stretch, said.text))
        self._utterances.append(said)

    def _in_the_original(self, word: Word) -> Word:
        start_ms, end_ms = word.start_ms, word.end_ms
        if self._gate is not None:
            start_ms, end_ms = self._gate.timeline.original(start_ms, end_ms)
        start_ms = min(start_ms, self._duration_ms)
        end_ms = min(max(end_ms, start_ms), self._duration_ms)
        return Word(word.text, start_ms, end_ms, word.confidence)

    def _others(self, stretch: bytes, text: str) -> tuple[str, ...]:
        """What else the stretch may say. Scores of such lists are no confidences: left alone."""
        recognizer, wanted = self._make(self._rate), self._config.alternatives
        recognizer.SetMaxAlternatives(wanted * ALTERNATIVES_PER_TEXT)
        for piece in _pieces(stretch, self._bytes(self._config.chunk_ms)):
            recognizer.AcceptWaveform(piece)  # no Result: one list for the whole stretch
        listed = json.loads(recognizer.FinalResult())["alternatives"]
        texts = dict.fromkeys(_text(one) for one in listed)
        return tuple(other for other in texts if other not in ("", text))[:wanted]

    def _true_rate_hz(self, words: list[Word]) -> int | None:
        """Another rate at which the sound has clear words, if it has none at the one told."""
        if not self._activity.heard_voice or not diagnosis.doubtful(words):
            return None
        for rate_hz in diagnosis.other_rates(self._rate):
            recognizer, heard = self._make(rate_hz), list[Word]()
            for piece in _pieces(bytes(self._beginning), rate_hz * CHUNK_MS // 1000 * 2):
                if recognizer.AcceptWaveform(piece):
                    heard += _words(recognizer.Result())
            heard += _words(recognizer.FinalResult())
            if diagnosis.clearer(heard, words):
                return rate_hz
        return None


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
        yield from _pieces(ready, self._step_bytes)

    def rest(self) -> bytes:
        """What is left at the end: shorter than a step and never odd."""
        rest = bytes(self._held[: len(self._held) - len(self._held) % SAMPLE_BYTES])
        self._held.clear()
        return rest


class _Recent:
    """The last ``KEPT_MS`` of what was decoded, in pieces."""

    def __init__(self, rate_hz: int) -> None:
        self._rate = rate_hz
        self._pieces = deque[bytes]()
        self._size = self._dropped = 0

    def keep(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        while self._size - len(self._pieces[0]) >= self._rate * KEPT_MS // 1000 * SAMPLE_BYTES:
            oldest = len(self._pieces.popleft())
            self._size -= oldest
            self._dropped += oldest

    def stretch(self, start_ms: int, end_ms: int) -> bytes:
        """Sound between two moments (ms since the first piece), with a margin on both sides."""
        held = b"".join(self._pieces)
        first, after = (
            max(self._rate * ms // 1000 * SAMPLE_BYTES - self._dropped, 0)
            for ms in (start_ms - MARGIN_MS, end_ms + MARGIN_MS)
        )
        return held[first:after]


def _pieces(sound: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(sound), size):
        yield sound[start : start + size]


def _words(segment_json: str) -> list[Word]:
    return [_word(word) for word in json.loads(segment_json).get("result", [])]


def _word(heard: dict[str, Any]) -> Word:
    start_ms = max(round(heard["start"] * 1000), 0)
    end_ms = max(round(heard["end"] * 1000), start_ms)
    confidence = min(max(float(heard["conf"]), 0.0), 1.0)
    return Word(heard["word"].replace(" ", ""), start_ms, end_ms, round(confidence, 4))


def _text(alternative: dict[str, Any]) -> str:
    return "".join(alternative["text"].split())
