"""Why a sound gave no words, or why its words deserve doubt: codes that pages put in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from transcribe.recogniser import RATES_HZ, Word

SILENT = "silent"
NOT_UNDERSTOOD = "not_understood"
CUT_OFF = "cut_off"
CLIPPED = "clipped"
WRONG_RATE = "wrong_rate"

DOUBTFUL_BELOW = CLEAR_FROM = 0.80
CLEARER_BY = 0.15
"""Mean confidences of words. Measured with the starter, sentence by sentence: right rate 0.91-0.93
on the average (95 % above 0.72, G.711 alike), half or double rate 0.52-0.58 (90 % below 0.71);
people, whom it does not understand, 0.49-0.58 at any rate. So a rate is called wrong only where
another one is clearly right."""

LEAST_WORDS = 3
SHORT_MS = 2_000
"""In a longer sound an end in mid-speech explains no lack of words."""


class Facts(Protocol):
    """Of a sound, words or not (transcribe.activity.Activity)."""

    @property
    def heard_voice(self) -> bool: ...
    @property
    def clipped(self) -> bool: ...
    @property
    def cut_off(self) -> bool: ...


def explain(
    words: Sequence[Word], facts: Facts, duration_ms: int, true_rate_hz: int | None
) -> tuple[str | None, tuple[str, ...]]:
    """(diagnosis, remarks) of a Recognition. ``true_rate_hz``: where it is another than told."""
    if not words and not facts.heard_voice:
        return SILENT, ()
    remarks = []
    if true_rate_hz is not None:
        remarks.append(f"{WRONG_RATE}:{true_rate_hz}")
    if facts.clipped:
        remarks.append(CLIPPED)
    if facts.cut_off:
        remarks.append(CUT_OFF)
    if words:
        return None, tuple(remarks)
    if true_rate_hz is not None:
        return WRONG_RATE, tuple(remarks)
    if facts.clipped:
        return CLIPPED, tuple(remarks)
    if facts.cut_off and duration_ms < SHORT_MS:
        return CUT_OFF, tuple(remarks)
    return NOT_UNDERSTOOD, tuple(remarks)


def parts(remark: str) -> tuple[str, int | None]:
    """Code and number of a remark: ("wrong_rate", 16000) of "wrong_rate:16000"."""
    code, _, number = remark.partition(":")
    return code, int(number) if number else None


def doubtful(words: Sequence[Word]) -> bool:
    """Whether there are no words, or none to speak of."""
    return not words or _confidence(words) < DOUBTFUL_BELOW


def clearer(words: Sequence[Word], before: Sequence[Word]) -> bool:
    """Whether ``words`` leave no doubt that they were said, and far less than those ``before``."""
    if len(words) < LEAST_WORDS or _confidence(words) < CLEAR_FROM:
        return False
    return not before or _confidence(words) >= _confidence(before) + CLEARER_BY


def other_rates(rate_hz: int) -> list[int]:
    """Rates to try when nothing is understood: a header is wrong by a factor of two."""
    return [rate for rate in (rate_hz * 2, rate_hz // 2) if rate in RATES_HZ]


def _confidence(words: Sequence[Word]) -> float:
    return sum(word.confidence for word in words) / len(words)
