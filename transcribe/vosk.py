"""Vosk behind the contract, with what was learnt about it the hard way.

One KaldiRecognizer serves one sound and then goes: reuse carries adaptation over. Sound enters in
fixed steps, because the text depends on them. Every Result is collected: FinalResult holds only
the last segment. n-best lists stay off: they replace confidences by scores that are none.
Importing this module loads libvosk; only decoder processes do so.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

import vosk

from core.errors import N_, InvalidInput, ToolFailed
from transcribe.listening import Kaldi, VoskListening
from transcribe.recogniser import STANDARD, DecoderConfig, Recognition, check_rate

_INCOMPATIBLE = ("kaldifst", "wetext", "_kaldifst")


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
        if grammar is not None and self._one_graph:
            raise InvalidInput(
                N_("This speech model takes no grammar: its words are built into one graph."),
                field="grammar",
            )
        more = [] if grammar is None else [json.dumps(_sentences(grammar), ensure_ascii=False)]

        def make(rate_hz: int) -> Kaldi:
            recognizer: Kaldi = vosk.KaldiRecognizer(self._model, rate_hz, *more)
            recognizer.SetWords(True)
            return recognizer

        return VoskListening(make, rate, config)

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
