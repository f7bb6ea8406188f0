"""A transcript as the review page shows it: pieces to press, doubts, repairs, other hearings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from core.errors import N_
from transcribe import diagnosis, normalise
from transcribe.models import Transcript
from transcribe.recogniser import join

SPEAKERS = "AB"
DIAGNOSES = {
    "silent": N_("The machine heard silence. Listen all the same: it may be very soft."),
    "not_understood": N_("Somebody speaks, but the machine understood nothing."),
    "cut_off": N_("The sound ends in the middle of speech, too soon to understand anything."),
    "wrong_rate": N_("The sound runs at the wrong speed: the machine understood nothing of it."),
    "clipped": N_("The sound is overdriven: the machine understood nothing of it."),
}
REMARKS = {
    "cut_off": N_("The sound begins or ends in the middle of speech: something may be missing."),
    "wrong_rate": N_("The sound seems to run at the wrong speed: do not rely on the words."),
    "clipped": N_("The sound is overdriven: expect more wrong words."),
}


@dataclass(frozen=True)
class Piece:
    """A stretch of text. ``start_ms`` None: punctuation, which has no sound.

    ``percent``: the least confidence of its words, None where a person typed. ``heard``: what the
    machine heard where a place name was put right. ``choice``: index of the Choice it ends.
    """

    text: str
    start_ms: int | None = None
    end_ms: int | None = None
    percent: int | None = None
    doubtful: bool = False
    heard: str | None = None
    choice: int | None = None


Placed = tuple[int, int, Piece]
"""First word, word after the last, and the piece of text they became."""


@dataclass(frozen=True)
class Turn:
    """What one side of a call says without a break; ``speaker`` "" when there is one side only."""

    speaker: str
    pieces: list[Piece]


@dataclass(frozen=True)
class Choice:
    """Other hearings (``texts``) of ``said``, which begins at character ``at`` of the text.

    ``after``: index after its last word.
    """

    after: int
    said: str
    at: int
    start_ms: int
    end_ms: int
    texts: list[str]

    def to_json(self) -> dict[str, Any]:
        """As the page's script reads it."""
        return asdict(self)


def shown_text(transcript: Transcript) -> str:
    """The text people read and mend: with numbers and punctuation where there is such a one."""
    return transcript.readable or transcript.text


def turns(transcript: Transcript, doubtful_below: float) -> list[Turn]:
    """The readable text in pieces; without one the words themselves."""
    spans = transcript.readable_map if transcript.readable else None
    pieces = (
        _readable_pieces(transcript, spans, doubtful_below)
        if spans
        else _raw_pieces(transcript, doubtful_below)
    )
    ends = [choice.after for choice in choices(transcript)]
    return _by_speaker(transcript.words, _with_choices(pieces, ends))


def raw_turns(transcript: Transcript, doubtful_below: float) -> list[Turn]:
    """Word for word as heard, or as a person typed it."""
    pieces = _raw_pieces(transcript, doubtful_below)
    return _by_speaker(transcript.words, ((first, piece) for first, _, piece in pieces))


def _raw_pieces(transcript: Transcript, doubtful_below: float) -> Iterator[Placed]:
    for index, word in enumerate(transcript.words):
        yield index, index + 1, _piece(word["text"], [word], doubtful_below)


def _with_choices(pieces: Iterable[Placed], ends: list[int]) -> Iterator[tuple[int, Piece]]:
    """Each piece with the choice that ends in it; of several the last one."""
    for first, after, piece in pieces:
        ending = [index for index, end in enumerate(ends) if first < end <= after]
        is_heard = piece.start_ms is not None
        yield first, replace(piece, choice=ending[-1]) if ending and is_heard else piece


def _readable_pieces(
    transcript: Transcript, spans: Sequence[Sequence[int]], doubtful_below: float
) -> Iterator[Placed]:
    """What lies between the spans included."""
    text, words = transcript.readable or "", transcript.words
    repairs, done, last = transcript.repairs or [], 0, 0
    for start, end, first, after in spans:
        if start > done:
            yield last, last, Piece(text[done:start])
        if end > start:
            heard = _heard_as(repairs, first, after)
            yield first, after, _piece(text[start:end], words[first:after], doubtful_below, heard)
        done, last = end, first
    if done < len(text):
        yield last, last, Piece(text[done:])


def _heard_as(repairs: list[dict[str, Any]], first: int, after: int) -> str | None:
    for repair in repairs:
        if repair["first"] < after and first < repair["after"]:
            return str(repair["heard"])
    return None


def _piece(
    text: str, words: list[dict[str, Any]], doubtful_below: float, heard: str | None = None
) -> Piece:
    if not words or words[0].get("start_ms") is None:
        return Piece(text)
    sure = [word["confidence"] for word in words if word.get("confidence") is not None]
    least = min(sure, default=None)
    return Piece(
        text,
        words[0]["start_ms"],
        words[-1]["end_ms"],
        None if least is None else round(least * 100),
        least is not None and least < doubtful_below,
        heard,
    )


def _by_speaker(words: list[dict[str, Any]], pieces: Iterable[tuple[int, Piece]]) -> list[Turn]:
    found: list[Turn] = []
    for first, piece in pieces:
        side = words[first].get("side") if first < len(words) else None
        before = found[-1].speaker if found else ""
        speaker = before if side is None else SPEAKERS[side % len(SPEAKERS)]
        if not found or found[-1].speaker != speaker:
            found.append(Turn(speaker, []))
        found[-1].pieces.append(piece)
    return found


def choices(transcript: Transcript) -> list[Choice]:
    """Where the machine hesitated between several hearings, in order."""
    found = []
    for one in transcript.alternatives or []:
        first, after = one["first"], one["after"]
        words = transcript.words[first:after]
        place = _place(transcript, first, after)
        if not words or place is None:
            continue
        said = shown_text(transcript)[slice(*place)]
        others = [normalise.of_text(text) for text in one["texts"]]
        texts = [text for text in dict.fromkeys(others) if text and text != said]
        if texts:
            span = words[0]["start_ms"], words[-1]["end_ms"]
            found.append(Choice(after, said, place[0], *span, texts))
    return found


def _place(transcript: Transcript, first: int, after: int) -> tuple[int, int] | None:
    """(start, end) of words[first:after] in the shown text."""
    if transcript.readable and transcript.readable_map:
        spans = [span for span in transcript.readable_map if span[2] < after and first < span[3]]
        return (spans[0][0], spans[-1][1]) if spans else None
    texts = [word["text"] for word in transcript.words]
    end = len(join(texts[:after]))
    return end - len(join(texts[first:after])), end


def remarks(transcript: Transcript) -> list[str]:
    """What may have spoilt the words, in words; a diagnosis of the same kind says it already."""
    codes = [diagnosis.parts(str(remark))[0] for remark in transcript.remarks or []]
    return [REMARKS[code] for code in codes if code in REMARKS and code != transcript.diagnosis]
