"""A transcript as others than its reviewers may read it: without numbers of people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from transcribe import redact
from transcribe.align import TextWord
from transcribe.models import Transcript
from transcribe.redact import MASKS, Finding

Translate = Callable[[str], str]


def findings(transcript: Transcript) -> list[Finding]:
    """Where numbers of people sound in a transcript."""
    return redact.find([_timed(word) for word in transcript.words])


def masked(transcript: Transcript, translate: Translate = str) -> Transcript:
    """A copy, not to be stored, in which a mask stands for each number and for its words.

    Text, words, readable text with its map, other hearings and repairs fit each other as in the
    original; hearings and repairs that touch a number are left out.
    """
    found = findings(transcript)
    places = _new_places(len(transcript.words), found)
    copy = Transcript(
        **{
            column.key: getattr(transcript, column.key)
            for column in Transcript.__mapper__.column_attrs
        }
    )
    copy.text = redact.text(transcript.text, translate)
    copy.words = masked_words(transcript.words, translate)
    copy.readable, copy.readable_map = _readable(transcript, found, places, translate)
    copy.alternatives = [
        {**one, "texts": [redact.text(text, translate) for text in one["texts"]]}
        for one in _moved(transcript.alternatives, found, places)
    ] or None
    copy.repairs = _moved(transcript.repairs, found, places) or None
    return copy


def masked_words(words: Sequence[dict[str, Any]], translate: Translate = str) -> list[Any]:
    """Rows of words in which one row with the mask stands for all words of a number."""
    rows: list[dict[str, Any]] = []
    done = 0
    for one in redact.find([_timed(word) for word in words]):
        rows += words[done : one.first_word]
        rows.append(
            {
                **words[one.first_word],
                "text": translate(MASKS[one.kind]),
                "start_ms": one.start_ms,
                "end_ms": one.end_ms,
                "confidence": None,
            }
        )
        done = one.after_word
    return [*rows, *words[done:]]


def _timed(word: dict[str, Any]) -> TextWord:
    return TextWord(word["text"], word["start_ms"], word["end_ms"], word.get("confidence"))


def _new_places(count: int, found: Sequence[Finding]) -> list[int]:
    """Old index of a word -> its index, or its mask's, among the masked words."""
    inner = {index for one in found for index in range(one.first_word + 1, one.after_word)}
    return [at - 1 for at in accumulate(index not in inner for index in range(count))]


def _readable(
    transcript: Transcript, found: Sequence[Finding], places: list[int], translate: Translate
) -> tuple[str | None, list[Any] | None]:
    spans: list[list[int]] = transcript.readable_map or []
    if transcript.readable is None:
        return None, None
    text, done = "", 0
    rows: list[list[int]] = []
    hidden: Finding | None = None
    for start, end, first, after in spans:
        number = next((n for n in found if n.first_word < after and first < n.after_word), None)
        if number is not None and number is hidden:
            rows[-1][3] = places[after - 1] + 1
            done = end
            continue
        text += transcript.readable[done:start]
        said = transcript.readable[start:end]
        written = said if number is None else translate(MASKS[number.kind])
        rows.append([len(text), len(text) + len(written), places[first], places[after - 1] + 1])
        text, done, hidden = text + written, end, number
    text += transcript.readable[done:]
    if redact.spans(text):
        return None, None
    return text, rows


def _moved(
    rows: list[Any] | None, found: Sequence[Finding], places: list[int]
) -> list[dict[str, Any]]:
    return [
        {**row, "first": places[row["first"]], "after": places[row["after"] - 1] + 1}
        for row in rows or []
        if not any(n.first_word < row["after"] and row["first"] < n.after_word for n in found)
    ]
