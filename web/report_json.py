"""Reports as programs read them: instants in UTC, numbers masked, failures named."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from cases.models import Report
from transcribe import jobs, shared_words
from transcribe.catalogue import STARTER_WARNING
from transcribe.models import Transcript, TranscriptionJob
from web import i18n
from web.deps import Services
from web.review_view import masked_caller


def brief(services: Services, report: Report) -> dict[str, Any]:
    """What lists and answers have in common."""
    return {
        "reference_no": report.reference_no,
        "state": report.state,
        "channel": report.channel,
        "received_at": _instant(report.received_at),
        "village_code": report.village_code,
        "duration_ms": report.duration_ms,
        "urgent": report.urgent,
        "proposed_urgent": report.proposed_urgent,
        "proposed_service": report.proposed_service,
        "confidential": report.confidential,
        "cut_off": report.cut_off,
        "caller": masked_caller(services, report) or None,
        "version": report.version,
    }


def transcript(found: Transcript) -> dict[str, Any]:
    """The newest words; ``warning`` is a sentence while the model cannot hear people."""
    shared = shared_words.masked(found, i18n.gettext)
    return {
        "version": found.version,
        "text": shared.text,
        "words": shared.words,
        "confidence": found.confidence,
        "model": found.model_name,
        "hears_people": found.hears_people,
        "warning": i18n.gettext(STARTER_WARNING) if found.hears_people is False else None,
        "diagnosis": found.diagnosis,
        "author_id": found.author_id,
    }


def job(session: Session, found: TranscriptionJob | None) -> dict[str, Any] | None:
    """How far the transcription is; null when the report has no sound to write down.

    ``transcript_expected_in_s``: an estimate while it waits or runs (transcribe.pressure).
    """
    if found is None:
        return None
    reason = jobs.FAILURES.get(found.failure_code or "")
    return {
        "state": found.state,
        "tries": found.tries,
        "failure": found.failure_code,
        "failure_text": i18n.gettext(reason) if reason else None,
        "transcript_expected_in_s": jobs.expected_s(session, found),
    }


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def etag(report: Report, words: Transcript | None) -> str:
    """Changes with the report and with its words."""
    return f'"{report.version}-{words.version if words else "x"}"'
