"""Fills in what people read of a machine's transcript: names repaired, numbers in digits, marks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import areas
from transcribe import normalise, repair, vocabulary
from transcribe.models import Transcript, TranscriptionJob
from transcribe.normalise import Correction, Readable
from transcribe.numerals import NUMERALS
from transcribe.recogniser import Recognition, Word
from transcribe.repair import Repair

MOST_VILLAGES = 500
"""Without a place, all villages come into question while they are so few; more sound too alike."""


def fill(session: Session, transcript: Transcript, recognition: Recognition) -> None:
    """Set ``readable``, ``readable_map`` and ``repairs``; the raw words stay as they are."""
    names = _names(session, transcript)
    repairs = repair.place_names(recognition.words, names)
    ends = list(accumulate(len(said.words) for said in recognition.utterances))
    made = of_words(recognition.words, ends, names, repairs)
    transcript.readable = made.text
    transcript.readable_map = [list(span) for span in made.spans]
    transcript.repairs = [
        {
            "first": one.first_word,
            "after": one.after_word,
            "heard": one.heard,
            "name": one.name,
        }
        for one in repairs
    ] or None


def with_names(transcript: Transcript) -> str:
    """The raw text with its repaired names: for finding places, not for reading."""
    text = transcript.text
    for one in transcript.repairs or ():
        text = text.replace(one["heard"], one["name"], 1)
    return text


def of_words(
    words: Sequence[Word], ends: Sequence[int], names: Sequence[str], repairs: Sequence[Repair]
) -> Readable:
    """The readable text with repaired names; names that hold numerals stay words."""
    return normalise.readable(
        words,
        ends,
        names=[name for name in names if NUMERALS & set(name)],
        corrections=[Correction(r.first_word, r.after_word, r.heard, r.name) for r in repairs],
    )


def _names(session: Session, transcript: Transcript) -> list[str]:
    """Names of places around the caller, as far as the newest job knows where that is."""
    area_code = session.scalar(
        sa.select(TranscriptionJob.area_code)
        .where(
            TranscriptionJob.subject_kind == transcript.subject_kind,
            TranscriptionJob.subject_id == transcript.subject_id,
        )
        .order_by(TranscriptionJob.id.desc())
        .limit(1)
    )
    if area_code is not None:
        return vocabulary.names(session, area_code)
    villages = areas.villages(session)
    return [village.name for village in villages] if len(villages) <= MOST_VILLAGES else []
