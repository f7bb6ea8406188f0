"""What the review pages show: rows of the list, words with their doubts, fields of the form."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from fastapi import Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from cases import access, intake, listening, references, sampling
from cases.dialects import DIALECTS, Routing
from cases.ledger import events
from cases.lifecycle import ReportState
from cases.models import Case, CaseReport, Report, ReportEvent
from cases.vocabulary import LEVELS, SERVICES
from cases.words import words_of
from core import areas
from core.auth import Actor
from core.errors import N_, XiangyinError
from core.models import Area
from core.sealed import mask_number
from desk import people
from recordings.models import Clip
from transcribe import catalogue, jobs, transcripts, verbatim
from transcribe.models import Transcript, TranscriptionJob
from web import masks, report_events, review_origin, review_versions, review_words
from web.deps import Services
from web.pages import render
from web.review_list import WAITING

FORM_FIELDS = ("text", "title", "summary", "dialect")

CHANNELS = {
    "phone": N_("Telephone"),
    "web": N_("Web page"),
    "typed": N_("Written"),
    "mailbox": N_("Mailbox"),
    "upload": N_("Upload"),
    "webhook": N_("Another system"),
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


KEYS = (
    ("play", N_("Play and pause")),
    ("back", N_("Back 3 s")),
    ("speed", N_("Speed")),
    ("doubt", N_("Next doubtful word")),
    ("choices", N_("Other hearings")),
    ("save", N_("Save the text")),
    ("accept", N_("Accept and next")),
)
"""What has a key, for the dialog in which keys are changed; review-keys.js has the first keys."""

NO_PIECES: dict[str, Any] = {
    "turns": [],
    "raw": [],
    "choices_data": [],
    "shown_text": "",
    "folded": False,
    "floor_percent": 0,
    "diagnosis": None,
    "remarks": [],
}


def words_context(
    services: Services, session: Session, actor: Actor, report: Report
) -> dict[str, Any]:
    """The machine's words with what is doubtful in them, or why there are none."""
    reader = masks.of_report(actor, report)
    transcript = reader.transcript(transcripts.latest(session, "report", report.id))
    job = jobs.latest(session, "report", report.id)
    if job and job.state == "failed" and transcripts.newest_heard(session, "report", report.id):
        job = None  # heard again in vain: the words of the earlier model stay
    starter = transcript.hears_people is False if transcript else _starter_in_use(services)
    return {
        "report": report,
        "transcript": transcript,
        **(_pieces(session, report, transcript) if transcript else NO_PIECES),
        **_newer(session, transcript if reader.hears else None),
        "said": reader.text,
        "starter_warning": catalogue.STARTER_WARNING if starter and report.audio_sha256 else None,
        "job": job,
        "wait_min": _wait_min(session, job),
        "failure": jobs.FAILURES.get(job.failure_code or "") if job else None,
        "sound_failure": SOUND_FAILURES.get(report.sound_failure or ""),
    }


def _newer(session: Session, transcript: Transcript | None) -> dict[str, Any]:
    newer = review_versions.newer_hearing(session, transcript)
    if newer is None or transcript is None:
        return {"newer": None, "newer_changes": []}
    heard = review_words.shown_text(newer)
    return {"newer": newer, "newer_changes": review_versions.changes(transcript.text, heard)}


def _pieces(session: Session, report: Report, transcript: Transcript) -> dict[str, Any]:
    """``folded``: the whole text is so doubtful that a summary helps more."""
    heard = transcripts.newest_heard(session, "report", report.id) or transcript
    chain = areas.upward(session, report.village_code)
    floors = verbatim.floors(session, heard.model_hash, chain)
    confidence = transcript.confidence
    turns = review_words.turns(transcript, floors.doubtful_below)
    raw = review_words.raw_turns(transcript, floors.doubtful_below)
    return {
        "turns": turns,
        "raw": raw if transcript.readable else [],
        "choices_data": [one.to_json() for one in review_words.choices(transcript)],
        "shown_text": review_words.shown_text(transcript),
        "folded": confidence is not None and confidence < floors.folded_below,
        "floor_percent": round(floors.folded_below * 100),
        "diagnosis": review_words.DIAGNOSES.get(transcript.diagnosis or ""),
        "remarks": review_words.remarks(transcript),
    }


def _wait_min(session: Session, job: TranscriptionJob | None) -> int | None:
    """Minutes until the words are there, rounded up; None when nothing waits."""
    expected_s = jobs.expected_s(session, job)
    return None if expected_s is None else math.ceil(expected_s / 60)


def _starter_in_use(services: Services) -> bool:
    return not catalogue.current(services.settings).hears_people


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
    shown = words_context(services, session, actor, report)
    villages = areas.villages(session, actor.area_code)
    return {
        **shown,
        "number": references.spoken(report.reference_no),
        "channel": CHANNELS.get(report.channel, report.channel),
        "state": STATES[report.state],
        "village": session.get(Area, report.village_code) if report.village_code else None,
        "caller": masked_caller(services, report),
        **review_origin.context(services, session, actor, report),
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
        "versions": _versions(session, actor, report),
        "asked_verbatim": _asked_verbatim(services, report),
        "routing": Routing(session, actor).of(report),
        "dialects": DIALECTS,
        "keys": KEYS,
        "actions": report_events.ACTIONS,
        "cases": linked_cases(session, actor, report),
        "joinable": _joinable(session, actor, report),
    }


def _versions(session: Session, actor: Actor, report: Report) -> list[review_versions.Version]:
    return review_versions.versions(session, report) if access.may_hear(actor, report) else []


def _asked_verbatim(services: Services, report: Report) -> bool:
    """Whether chance chose this report to be written word for word."""
    every = services.settings.verbatim_every
    return report.audio_sha256 is not None and sampling.in_sample(
        services.sealer, report.reference_no, every
    )


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
    names = people.names(session, [event.actor_id for event in found])
    return [(event, names.get(event.actor_id or 0, "")) for event in found]


def form_values(session: Session, report: Report, typed: Mapping[str, Any]) -> dict[str, Any]:
    """What stands in the form: typed just now, else the draft, else what the machine proposes."""
    transcript = transcripts.latest(session, "report", report.id)
    proposed = {
        "text": review_words.shown_text(transcript) if transcript else words_of(session, report),
        "verbatim": transcript is not None and transcript.verbatim,
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
    if transcript is None and report.audio_sha256 is not None:
        proposed["text"] = ""  # what was typed beside a sound is no transcript of it
    return {**proposed, **draft_fields(report), **typed}


def draft_fields(report: Report) -> dict[str, str]:
    """The autosaved fields of the form."""
    try:
        stored = json.loads(report.draft) if report.draft else {}
    except ValueError:
        return {"text": report.draft or ""}
    return {name: str(stored[name]) for name in FORM_FIELDS if stored.get(name)}


def playable_sha256(session: Session, report: Report) -> str | None:
    """The rendition every browser plays, else the original."""
    made = session.scalar(
        sa.select(Clip.sha256).where(
            Clip.made_from_sha256 == report.audio_sha256, Clip.rendition == "master"
        )
    )
    return made or report.audio_sha256
