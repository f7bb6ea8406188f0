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

from core.errors import N_, ToolFailed
from transcribe.activity import VoiceMeter
from transcribe.recogniser import (
    CHUNK_MS,
    NOT_UNDERSTOOD,
    SILENT,
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

    def recognise(self, pcm: Iterable[bytes], sample_rate_hz: int) -> Recognition:
        rate = check_rate(sample_rate_hz)
        recognizer = vosk.KaldiRecognizer(self._model, rate)
        recognizer.SetWords(True)
        meter = VoiceMeter(rate)
        segments, size = [], 0
        for chunk in steps(pcm, rate * CHUNK_MS // 1000 * SAMPLE_BYTES):
            size += len(chunk)
            meter.keep(chunk)
            if recognizer.AcceptWaveform(chunk):
                segments.append(recognizer.Result())
        segments.append(recognizer.FinalResult())
        duration_ms = size // SAMPLE_BYTES * 1000 // rate
        utterances = tuple(filter(None, (_utterance(text, duration_ms) for text in segments)))
        diagnosis = None
        if not utterances:
            diagnosis = NOT_UNDERSTOOD if meter.heard_voice() else SILENT
        return Recognition(utterances, duration_ms, rate, diagnosis)


def steps(pcm: Iterable[bytes], step_bytes: int) -> Iterator[bytes]:
    """The same sound in pieces of exactly ``step_bytes`` (the last may be shorter, never odd)."""
    held = bytearray()
    for piece in pcm:
        held += piece
        whole = len(held) - len(held) % step_bytes
        for start in range(0, whole, step_bytes):
            yield bytes(held[start : start + step_bytes])
        del held[:whole]
    rest = len(held) - len(held) % SAMPLE_BYTES
    if rest:
        yield bytes(held[:rest])


def _utterance(segment_json: str, duration_ms: int) -> Utterance | None:
    words = tuple(_word(word, duration_ms) for word in json.loads(segment_json).get("result", []))
    return Utterance(words) if words else None


def _word(heard: dict[str, Any], duration_ms: int) -> Word:
    start_ms = min(max(round(heard["start"] * 1000), 0), duration_ms)
    end_ms = min(max(round(heard["end"] * 1000), start_ms), duration_ms)
    confidence = min(max(float(heard["conf"]), 0.0), 1.0)
    return Word(heard["word"].replace(" ", ""), start_ms, end_ms, round(confidence, 4))
