"""Versions of a report's text: who wrote or heard which, what changed, and the way back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rapidfuzz.distance import Levenshtein
from sqlalchemy.orm import Session

from cases.models import Report
from core.errors import N_, NotFound
from desk import people
from transcribe import transcripts
from transcribe.models import Transcript
from web.review_words import shown_text

LONGEST_DIFF = 6_000
"""Characters up to which changes are marked; a talk of half an hour has about so many."""

SAME, ADDED, GONE = "same", "added", "gone"


@dataclass(frozen=True)
class Change:
    """A stretch of two texts side by side; ``kind``: same, added or gone."""

    kind: str
    text: str


@dataclass(frozen=True)
class Version:
    """One version with what changed against the one before it. ``writer`` "" for the machine."""

    number: int
    writer: str
    model: str
    at: datetime
    verbatim: bool
    counts: bool
    changes: list[Change]


def changes(before: str, after: str) -> list[Change]:
    """How ``after`` came from ``before``; the whole text alone when it is very long."""
    if max(len(before), len(after)) > LONGEST_DIFF:
        return [Change(SAME, after)]
    found: list[Change] = []
    for block in Levenshtein.opcodes(before, after):
        gone = before[block.src_start : block.src_end]
        come = after[block.dest_start : block.dest_end]
        if block.tag == "equal":
            found.append(Change(SAME, come))
            continue
        found += [Change(kind, text) for kind, text in ((GONE, gone), (ADDED, come)) if text]
    return found


def versions(session: Session, report: Report) -> list[Version]:
    """All versions, the newest first."""
    history = transcripts.history(session, "report", report.id)
    current = transcripts.latest(session, "report", report.id)
    names = people.names(session, [one.author_id for one in history])
    found, before = [], None
    for one in history:
        text = shown_text(one)
        found.append(
            Version(
                one.version,
                names.get(one.author_id or 0, ""),
                one.model_name or "?",
                one.created_at,
                one.verbatim,
                current is not None and one.id == current.id,
                changes(before, text) if before is not None else [Change(SAME, text)],
            )
        )
        before = text
    return found[::-1]


def newer_hearing(session: Session, current: Transcript | None) -> Transcript | None:
    """What a newer model heard since a person wrote the text that counts, if it says otherwise."""
    if current is None or current.author_id is None:
        return None
    heard = transcripts.newest_heard(session, current.subject_kind, current.subject_id)
    if heard is None or not heard.text:
        return None
    return heard if heard.version > current.version and heard.text != current.text else None


def numbered(session: Session, report: Report, number: int) -> Transcript:
    """The version of this number; NotFound when there is none."""
    for one in transcripts.history(session, "report", report.id):
        if one.version == number:
            return one
    raise NotFound(N_("There is no such version."))
