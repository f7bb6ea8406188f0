"""The words of a report, wherever they came from."""

from __future__ import annotations

from sqlalchemy.orm import Session

from cases.models import Report
from transcribe import transcripts


def words_of(session: Session, report: Report) -> str:
    """The newest transcript's text, else what the person typed, else nothing."""
    transcript = transcripts.latest(session, "report", report.id)
    if transcript is not None and transcript.text:
        return transcript.text
    return report.typed_text or ""
