"""What an operator decides about a report: corrected words, a case, a refusal, one more try."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Form, Request
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
from web import review_list, review_versions, review_view, review_words
from web.deps import CurrentActor, ServicesDep, WriteSession, attempt
from web.pages import see_other
from web.routing import Router

router = Router()


class Filled(BaseModel):
    """The form of the review page. ``base_version``: of the text that was shown ("" for none)."""

    decision: str
    version: int
    base_version: str = ""
    text: str = ""
    verbatim: str = ""
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
        _DECISIONS.get(_kind(filled), _unknown)(session, actor, report, filled)
    if tried.error:
        session.expire_all()
        report = access.report(session, actor, report_id)
        typed: dict[str, Any] = filled.model_dump() | {
            "urgent": bool(filled.urgent),
            "verbatim": bool(filled.verbatim),
        }
        return review_view.page(request, session, services, actor, report, typed, tried.error)
    if _kind(filled) in _STAYING:
        return see_other(f"/reports/{report.id}", _STAYING[_kind(filled)])
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


def _kind(filled: Filled) -> str:
    """What the button does; "restore:3" is "restore"."""
    return filled.decision.partition(":")[0]


def _save_text(session: Session, actor: Actor, report: Report, filled: Filled) -> None:
    """A changed wording, or a mark that changed, becomes a version before anything is decided."""
    text = transcripts.clean(filled.text)
    verbatim = bool(filled.verbatim) and report.audio_sha256 is not None
    current = transcripts.latest(session, "report", report.id)
    unchanged = [words_of(session, report), report.typed_text]
    if current is not None:
        unchanged.append(review_words.shown_text(current))
    marked = current is not None and current.verbatim
    if not text or (text in unchanged and verbatim == marked):
        return
    base = int(filled.base_version) if filled.base_version.isdecimal() else None
    _correct(session, actor, report, filled, text, base, verbatim=verbatim)


def _correct(
    session: Session,
    actor: Actor,
    report: Report,
    filled: Filled,
    text: str,
    base: int | None,
    *,
    verbatim: bool = False,
) -> None:
    review.correct_text(
        session,
        actor,
        report.id,
        text,
        filled.version,
        base,
        draft=_rest(filled),
        verbatim=verbatim,
    )
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


def _restore(session: Session, actor: Actor, report: Report, filled: Filled) -> None:
    """An earlier version, or a newer hearing, counts again; what was typed is a version by now."""
    number = filled.decision.partition(":")[2]
    old = review_versions.numbered(session, report, int(number) if number.isdecimal() else -1)
    text = review_words.shown_text(old)
    current = transcripts.latest(session, "report", report.id)
    seen = current.version if current else None
    _correct(session, actor, report, filled, text, seen, verbatim=old.verbatim)
    ledger.note(session, actor, report, "restore", report.state, number)


def _set_dialect(session: Session, actor: Actor, report: Report, filled: Filled) -> None:
    """The report goes to those who understand it; what was typed stays in the draft."""
    _save(session, actor, report, filled)
    review.set_dialect(session, actor, report.id, report.version, filled.dialect)


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
    if not filled.case_id.isdecimal():
        raise InvalidInput(N_("Choose the case."), field="case_id")
    review.join(session, actor, report.id, filled.version, int(filled.case_id))


def _unknown(session: Session, actor: Actor, report: Report, filled: Filled) -> None:
    raise InvalidInput(N_("Use one of the buttons of the page."))


_DECISIONS = {
    "save": _save,
    "restore": _restore,
    "dialect": _set_dialect,
    "accept": _accept,
    "reject": _reject,
    review.NO_CONTENT: _reject,
    "join": _join,
}
_STAYING = {
    "save": N_("The text is stored."),
    "restore": N_("The text is put back. What stood there before is a version, too."),
    "dialect": N_("The dialect is stored."),
}
_NOTICES = {
    "accept": N_("Accepted: a case was made of the report. This is the next one."),
    "reject": N_("Refused. This is the next report."),
    review.NO_CONTENT: N_("Closed: nothing to hear. This is the next report."),
    "join": N_("Joined to the case. This is the next report."),
}
