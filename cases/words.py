"""The words of a report, wherever they came from."""

from __future__ import annotations

from sqlalchemy.orm import Session

from cases.models import Report
from transcribe import legible, transcripts


def places_in(session: Session, report: Report) -> str:
    """Like ``words_of``, with the names of places that were put right by their sound."""
    transcript = transcripts.latest(session, "report", report.id)
    if transcript is not None and transcript.text:
        return legible.with_names(transcript)
    return words_of(session, report)


def words_of(session: Session, report: Report) -> str:
    """The newest transcript's text, else what the person typed, else nothing."""
    transcript = transcripts.latest(session, "report", report.id)
    if transcript is not None and transcript.text:
        return transcript.text
    return report.typed_text or ""
