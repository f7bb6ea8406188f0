"""What an operator decides about a report: corrected words, a case, a refusal, one more try."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from pydantic import BaseModel
from sqlalchemy.orm import Session
from starlette.responses import Response

from cases import access, ledger, review
from cases.models import Report
from cases.review import Decision
from cases.words import words_of
from core.auth import Actor
from core.errors import N_, Conflict, InvalidInput
from transcribe import jobs, transcripts
from web import review_list, review_view
from web.deps import CurrentActor, ServicesDep, WriteSession, attempt
from web.pages import see_other

router = APIRouter()


class Filled(BaseModel):
    """The form of the review page. ``base_version``: of the text that was shown ("" for none)."""

    decision: str
    version: int
    base_version: str = ""
    text: str = ""
    title: str = ""
    summary: str = ""
    service_code: str = ""
    village_code: str = ""
    level: str = "general"
    urgent: str = ""
    dialect: str = ""
    unheard_reason: str = ""
    reason: str = ""
    route: str = ""
    case_id: str = ""


@router.post("/reports/{report_id}/decide")
def decide(
    request: Request,
    session: WriteSession,
    services: ServicesDep,
    actor: CurrentActor,
    report_id: int,
    filled: Annotated[Filled, Form()],
) -> Response:
    """Do what the button says; whatever was typed is stored or shown again."""
    report = access.report(session, actor, report_id)
    with attempt(session) as tried:
        _save_text(session, actor, report, filled)
        _DECISIONS.get(filled.decision, _unknown)(session, actor, report, filled)
    if tried.error:
        session.expire_all()
        report = access.report(session, actor, report_id)
        typed: dict[str, Any] = filled.model_dump() | {"urgent": bool(filled.urgent)}
        return review_view.page(request, session, services, actor, report, typed, tried.error)
    if filled.decision == "save":
        return see_other(f"/reports/{report.id}", N_("The text is stored."))
    following = review_list.next_waiting(session, actor, report.id)
    return see_other(
        f"/reports/{following}" if following else "/reports", _NOTICES[filled.decision]
    )


@router.post("/reports/{report_id}/reopen")
def reopen(
    session: WriteSession,
    actor: CurrentActor,
    report_id: int,
    version: Annotated[int, Form()],
    reason: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Back to review: an appeal, or a duplicate that was none."""
    review.reopen(session, actor, report_id, version, reason)
    return see_other(f"/reports/{report_id}", N_("The report is under review again."))


@router.post("/reports/{report_id}/retry")
def retry(session: WriteSession, actor: CurrentActor, report_id: int) -> Response:
    """Ask the machine once more for the words."""
    report = access.report(session, actor, report_id)
    access.require_review(actor, report)
    job = jobs.latest(session, "report", report.id)
    if job is None:
        raise Conflict(N_("This sound was never given to the machine."))
    jobs.retry(session, job.id)
    ledger.note(session, actor, report, "retry", report.state)
    return see_other(f"/reports/{report_id}", N_("The machine tries again."))


def _save_text(session: Session, actor: Actor, report: Report, filled: Filled) -> None:
    """A changed wording becomes a transcript version before anything else is decided."""
    text = transcripts.clean(filled.text)
    if not text or text in (words_of(session, report), report.typed_text):
        return
    base = int(filled.base_version) if filled.base_version.isdigit() else None
    review.correct_text(session, actor, report.id, text, filled.version, base, draft=_rest(filled))
    filled.version = report.version


def _rest(filled: Filled) -> str:
    """What was typed beside the text, as the draft keeps it."""
    return json.dumps(
        {name: getattr(filled, name) for name in review_view.FORM_FIELDS if name != "text"},
        ensure_ascii=False,
    )


def _save(session: Session, actor: Actor, report: Report, filled: Filled) -> None:
    """The text is stored by now; the other fields wait in the draft."""
    review.save_draft(session, actor, report.id, _rest(filled), filled.version)


def _accept(session: Session, actor: Actor, report: Report, filled: Filled) -> None:
    decision = Decision(
        summary=filled.summary,
        title=filled.title,
        service_code=filled.service_code or None,
        village_code=filled.village_code or None,
        level=filled.level,
        urgent=bool(filled.urgent),
        dialect=filled.dialect,
        unheard_reason=filled.unheard_reason,
    )
    review.accept(session, actor, report.id, filled.version, decision)


def _reject(session: Session, actor: Actor, report: Report, filled: Filled) -> None:
    is_empty = filled.decision == review.NO_CONTENT
    review.reject(
        session,
        actor,
        report.id,
        filled.version,
        reason=review.NO_CONTENT if is_empty else filled.reason,
        route="" if is_empty else filled.route,
        unheard_reason=filled.unheard_reason,
    )


def _join(session: Session, actor: Actor, report: Report, filled: Filled) -> None:
    if not filled.case_id.isdigit():
        raise InvalidInput(N_("Choose the case."), field="case_id")
    review.join(session, actor, report.id, filled.version, int(filled.case_id))


def _unknown(session: Session, actor: Actor, report: Report, filled: Filled) -> None:
    raise InvalidInput(N_("Use one of the buttons of the page."))


_DECISIONS = {
    "save": _save,
    "accept": _accept,
    "reject": _reject,
    review.NO_CONTENT: _reject,
    "join": _join,
}
_NOTICES = {
    "accept": N_("Accepted: a case was made of the report. This is the next one."),
    "reject": N_("Refused. This is the next report."),
    review.NO_CONTENT: N_("Closed: nothing to hear. This is the next report."),
    "join": N_("Joined to the case. This is the next report."),
}
