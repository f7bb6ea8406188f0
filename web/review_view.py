"""What the review pages show: rows of the list, words with their doubts, fields of the form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from fastapi import Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from cases import access, intake, listening, masking, references, triage
from cases.ledger import events
from cases.lifecycle import ReportState
from cases.models import Case, CaseReport, Report, ReportEvent
from cases.vocabulary import LEVELS, SERVICES
from core import areas
from core.auth import Actor
from core.errors import N_, XiangyinError
from core.models import Area, User
from core.sealed import mask_number
from recordings.models import Clip
from transcribe import catalogue, jobs, transcripts
from transcribe.models import Transcript, TranscriptionJob
from web.deps import Services
from web.pages import render

DOUBTFUL_BELOW = 0.6
"""A word the machine is less sure of is marked."""
FOLDED_BELOW = 0.5
"""A text the machine is less sure of on the whole is folded away: a summary helps more."""
SNIPPET = 60
WAITING = (ReportState.RECEIVED.value, ReportState.UNDER_REVIEW.value)
FORM_FIELDS = ("text", "title", "summary", "dialect")

CHANNELS = {
    "phone": N_("Telephone"),
    "web": N_("Web page"),
    "typed": N_("Written"),
    "mailbox": N_("Mailbox"),
    "upload": N_("Upload"),
}
STATES = {
    ReportState.RECEIVED.value: (N_("New"), "info"),
    ReportState.UNDER_REVIEW.value: (N_("Under review"), "warn"),
    ReportState.ACCEPTED.value: (N_("Accepted"), "good"),
    ReportState.REJECTED.value: (N_("Refused"), "bad"),
    ReportState.DUPLICATE.value: (N_("Duplicate"), ""),
}
SOUND_FAILURES = {
    intake.UNDECODABLE: N_("No program here can read this sound file. It is kept as it came."),
    intake.EXAMINATION_FAILED: N_("Reading the sound took too long. It is kept as it came."),
}
DIAGNOSES = {
    "silent": N_("The machine heard silence. Listen all the same: it may be very soft."),
    "not_understood": N_("Somebody speaks, but the machine understood nothing."),
}
ACTIONS = {
    "received": N_("came in"),
    "triaged": N_("kind and place proposed by the words"),
    "start": N_("review begun"),
    "play": N_("recording played"),
    "heard": N_("recording played to its end"),
    "draft_replaced": N_("draft replaced another one"),
    "correct_text": N_("text corrected"),
    "accept": N_("accepted"),
    "reject": N_("refused"),
    "join": N_("joined to a case"),
    "reopen": N_("back to review"),
    "transcript_failed": N_("machine could not write it down"),
    "retry": N_("transcription asked for again"),
}


@dataclass(frozen=True)
class Row:
    """One line of the list. A sealed row (confidential, not for this person) tells no content."""

    report: Report
    village: str | None
    snippet: str
    waiting_for_words: bool
    failed: bool
    is_sealed: bool


def rows(
    session: Session, actor: Actor, *, waiting: bool, limit: int, offset: int = 0
) -> tuple[list[Row], int]:
    """Reports for the list and how many there are: urgent first, then the oldest (waiting),
    or the newest first (decided)."""
    condition = Report.state.in_(WAITING) if waiting else Report.state.not_in(WAITING)
    query = sa.select(Report).where(access.area_clause(session, actor), condition)
    if not actor.may("report.read"):
        query = query.where(Report.confidential)
    total = session.scalar(sa.select(sa.func.count()).select_from(query.subquery())) or 0
    if waiting:
        alarm = sa.or_(Report.urgent, Report.proposed_urgent)
        query = query.order_by(sa.desc(alarm), Report.received_at, Report.id)
    else:
        query = query.order_by(Report.received_at.desc(), Report.id.desc())
    found = list(session.scalars(query.limit(limit).offset(offset)))
    texts, states = _texts(session, found), _job_states(session, found)
    names = {area.code: area.name for area in areas.villages(session)}
    return [_row(actor, report, names, texts, states) for report in found], total


def _row(
    actor: Actor,
    report: Report,
    names: Mapping[str, str],
    texts: Mapping[int, str],
    states: Mapping[int, str],
) -> Row:
    is_sealed = report.confidential and not access.keeps_secrets(actor)
    text = "" if is_sealed else texts.get(report.id) or report.typed_text or ""
    state = states.get(report.id)
    return Row(
        report,
        names.get(report.village_code or "") if not is_sealed else None,
        masking.hide_numbers(text)[:SNIPPET],
        state in ("queued", "running"),
        state == "failed" or report.sound_failure is not None,
        is_sealed,
    )


def _texts(session: Session, reports: list[Report]) -> dict[int, str]:
    found = session.execute(
        sa.select(Transcript.subject_id, Transcript.text)
        .where(
            Transcript.subject_kind == "report",
            Transcript.subject_id.in_([report.id for report in reports]),
        )
        .order_by(Transcript.version)
    )
    return {subject: text for subject, text in found}


def _job_states(session: Session, reports: list[Report]) -> dict[int, str]:
    found = session.execute(
        sa.select(TranscriptionJob.subject_id, TranscriptionJob.state)
        .where(
            TranscriptionJob.subject_kind == "report",
            TranscriptionJob.subject_id.in_([report.id for report in reports]),
        )
        .order_by(TranscriptionJob.id)
    )
    return {subject: state for subject, state in found}


def next_waiting(session: Session, actor: Actor, after: int) -> int | None:
    """The report to open when ``after`` is done: the first of the list this person reviews."""
    found, _ = rows(session, actor, waiting=True, limit=50)
    for row in found:
        if row.report.id != after and access.may_review(actor, row.report):
            return row.report.id
    return None


def words_context(services: Services, session: Session, report: Report) -> dict[str, Any]:
    """The machine's words, or why there are none."""
    transcript = transcripts.latest(session, "report", report.id)
    job = jobs.latest(session, "report", report.id)
    confidence = transcript.confidence if transcript else None
    starter = transcript.hears_people is False if transcript else _starter_in_use(services)
    return {
        "report": report,
        "transcript": transcript,
        "words": [_word(word) for word in transcript.words] if transcript else [],
        "folded": confidence is not None and confidence < FOLDED_BELOW,
        "starter_warning": catalogue.STARTER_WARNING if starter and report.audio_sha256 else None,
        "job": job,
        "failure": jobs.FAILURES.get(job.failure_code or "") if job else None,
        "diagnosis": DIAGNOSES.get(transcript.diagnosis or "") if transcript else None,
        "sound_failure": SOUND_FAILURES.get(report.sound_failure or ""),
    }


def _starter_in_use(services: Services) -> bool:
    return not catalogue.current(services.settings).hears_people


def _word(word: dict[str, Any]) -> dict[str, Any]:
    confidence = word.get("confidence")
    percent = None if confidence is None else round(confidence * 100)
    doubtful = confidence is not None and confidence < DOUBTFUL_BELOW
    return {**word, "percent": percent, "doubtful": doubtful}


def page(
    request: Request,
    session: Session,
    services: Services,
    actor: Actor,
    report: Report,
    typed: Mapping[str, Any] | None = None,
    error: XiangyinError | None = None,
) -> Response:
    """The page of one report; ``typed``: what the person had filled in when ``error`` came."""
    return render(
        request,
        "review/report.html",
        error=error,
        values=form_values(session, report, typed or {}),
        **page_context(services, session, actor, report),
    )


def page_context(
    services: Services, session: Session, actor: Actor, report: Report
) -> dict[str, Any]:
    """Everything the page of one report shows, apart from what the person typed."""
    audio_failed = report.sound_failure is not None or report.duration_ms is None
    shown = words_context(services, session, report)
    villages = areas.villages(session, actor.area_code)
    return {
        **shown,
        "number": references.spoken(report.reference_no),
        "channel": CHANNELS.get(report.channel, report.channel),
        "state": STATES[report.state],
        "village": session.get(Area, report.village_code) if report.village_code else None,
        "caller": masked_caller(services, report),
        "may_hear": access.may_hear(actor, report),
        "may_review": access.may_review(actor, report),
        "is_open": report.state in WAITING,
        "heard": listening.heard(session, actor, report),
        "audio_failed": audio_failed,
        "villages": [(area.code, area.name) for area in villages],
        "services": SERVICES,
        "levels": LEVELS,
        "hits": report.proposed_hits or [],
        "timeline": _timeline(session, report),
        "actions": ACTIONS,
        "cases": linked_cases(session, actor, report),
        "joinable": _joinable(session, actor, report),
    }


def masked_caller(services: Services, report: Report) -> str:
    """The caller's number with its middle starred; nothing for a confidential report."""
    if report.confidential or not report.caller_sealed:
        return ""
    return mask_number(services.sealer.unseal(report.caller_sealed))


def linked_cases(session: Session, actor: Actor, report: Report) -> list[Case]:
    """The cases made of a report, as far as this person may see them."""
    if not (actor.may("case.read") or access.keeps_secrets(actor)):
        return []
    linked = sa.select(CaseReport.case_id).where(CaseReport.report_id == report.id)
    return list(session.scalars(access.cases_seen(session, actor).where(Case.id.in_(linked))))


def _joinable(session: Session, actor: Actor, report: Report) -> list[Case]:
    if report.state not in WAITING or not access.may_review(actor, report):
        return []
    query = access.cases_seen(session, actor).where(
        Case.status != "closed", Case.confidential == report.confidential
    )
    if report.village_code:
        query = query.where(Case.village_code == report.village_code)
    return list(session.scalars(query.order_by(Case.id.desc()).limit(30)))


def _timeline(session: Session, report: Report) -> list[tuple[ReportEvent, str]]:
    found = events(session, report.id)
    ids = {event.actor_id for event in found if event.actor_id}
    people = session.execute(sa.select(User.id, User.display_name).where(User.id.in_(ids)))
    names = {person: name for person, name in people}
    return [(event, names.get(event.actor_id or 0, "")) for event in found]


def form_values(session: Session, report: Report, typed: Mapping[str, Any]) -> dict[str, Any]:
    """What stands in the form: typed just now, else the draft, else what the machine proposes."""
    proposed = {
        "text": triage.words_of(session, report),
        "title": "",
        "summary": report.summary or "",
        "dialect": report.dialect or "",
        "service_code": report.proposed_service or "",
        "village_code": report.village_code or report.proposed_village_code or "",
        "level": "general",
        "urgent": report.urgent or report.proposed_urgent,
        "unheard_reason": "",
        "reason": "",
        "route": "",
    }
    return {**proposed, **draft_fields(report), **typed}


def draft_fields(report: Report) -> dict[str, str]:
    """The autosaved fields of the form."""
    try:
        stored = json.loads(report.draft) if report.draft else {}
    except ValueError:
        return {"text": report.draft or ""}
    return {name: str(stored[name]) for name in FORM_FIELDS if name in stored}


def playable_sha256(session: Session, report: Report) -> str | None:
    """The rendition every browser plays, else the original."""
    made = session.scalar(
        sa.select(Clip.sha256).where(
            Clip.made_from_sha256 == report.audio_sha256, Clip.rendition == "master"
        )
    )
    return made or report.audio_sha256
