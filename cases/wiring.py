"""What this room does when others have news."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from cases import finding, triage
from cases.models import Report, ReportEvent
from core import outbox
from core.clock import utc_now
from core.outbox import Handler
from transcribe import search, transcripts


def handlers() -> list[tuple[str, Handler]]:
    """Outbox kinds and what hears them; server-side wiring registers the list."""
    return [
        ("report.received", on_received),
        ("transcript.ready", on_transcript_ready),
        ("transcript.failed", on_transcript_failed),
        ("report.received", finding.on_changed),
        ("report.changed", finding.on_changed),
        ("transcript.ready", finding.on_transcript_ready),
        (search.REINDEX, finding.on_reindex),
    ]


def on_received(session: Session, payload: dict[str, Any]) -> None:
    """Typed words can be read at once; sound waits for its transcript."""
    triage.propose(session, payload["report_id"])


def on_transcript_ready(session: Session, payload: dict[str, Any]) -> None:
    """Propose kind, place and urgency from what was heard, unless a person wrote the words."""
    if payload["subject_kind"] != "report":
        return
    counts = transcripts.latest(session, "report", payload["subject_id"])
    is_written = counts is not None and counts.author_id is not None
    if is_written or triage.propose(session, payload["subject_id"]) is None:
        outbox.emit(session, "report.changed", report_id=payload["subject_id"])


def on_transcript_failed(session: Session, payload: dict[str, Any]) -> None:
    """Write the failure into the report's history, where the operator sees it."""
    if payload["subject_kind"] != "report":
        return
    report = session.get(Report, payload["subject_id"])
    if report is None:
        return
    session.add(
        ReportEvent(
            report_id=report.id,
            at=utc_now(),
            action="transcript_failed",
            before=report.state,
            after=report.state,
            reason=payload.get("code"),
        )
    )
    outbox.emit(session, "report.changed", report_id=report.id)
