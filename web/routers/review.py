"""The operators' pages: what waits, one report with its sound and words, what becomes of it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Body, Request
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session
from starlette.responses import FileResponse, JSONResponse, Response

from cases import access, listening, review
from cases.models import Report
from core import audit
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, Forbidden, NotFound
from core.models import AuditEntry, Blob
from transcribe import shared_sound
from web import errors, review_list, review_view
from web.deps import CurrentActor, ReadSession, ServicesDep, WriteSession, attempt
from web.pages import render, see_other
from web.routing import Router

router = Router()
NAV = [review_list.SecretsToo(10, "/reports", N_("Reports"), "report.read")]

PAGE = 100
PLAY_AGAIN = timedelta(minutes=1)
"""Range requests of one listening follow each other; later ones are a new play."""


class Draft(BaseModel):
    """What the page saves while somebody types."""

    version: int
    text: str = Field("", max_length=20_000)
    title: str = Field("", max_length=200)
    summary: str = Field("", max_length=20_000)
    dialect: str = Field("", max_length=80)


def _reader(actor: CurrentActor) -> Actor:
    if not (actor.may("report.read") or access.keeps_secrets(actor)):
        raise Forbidden(N_("Your role does not allow this. Ask your administrator."))
    return actor


@router.get("/reports")
def list_page(
    request: Request,
    session: ReadSession,
    actor: CurrentActor,
    show: str = "waiting",
    page: int = 0,
    dialect: str = "",
) -> Response:
    """Reports that wait, urgent and oldest first; or the decided ones, newest first."""
    return render(
        request, "review/list.html", **_list(session, _reader(actor), show, page, dialect)
    )


@router.get("/reports/list")
def list_part(
    request: Request,
    session: ReadSession,
    actor: CurrentActor,
    show: str = "waiting",
    page: int = 0,
    dialect: str = "",
) -> Response:
    """The changing part of the list."""
    return render(
        request, "review/rows.html", **_list(session, _reader(actor), show, page, dialect)
    )


def _list(session: ReadSession, actor: Actor, show: str, page: int, dialect: str) -> dict[str, Any]:
    waiting, page = show != "decided", max(0, min(page, 10_000))
    rows, total = review_list.rows(
        session, actor, waiting=waiting, limit=PAGE, offset=page * PAGE, dialect=dialect
    )
    return {
        "rows": rows,
        "total": total,
        "show": "waiting" if waiting else "decided",
        "page": page,
        "has_more": total > (page + 1) * PAGE,
        "states": review_view.STATES,
        "channels": review_view.CHANNELS,
        "dialect": dialect,
        "spoken": review_list.spoken(session, actor),
        "for_me": review_list.FOR_ME,
    }


@router.get("/reports/next")
def next_page(session: ReadSession, actor: CurrentActor, after: int = 0) -> Response:
    """The report to review next."""
    found = review_list.next_waiting(session, _reader(actor), after)
    return see_other(f"/reports/{found}" if found else "/reports")


@router.get("/reports/{report_id}")
def report_page(
    request: Request, services: ServicesDep, actor: CurrentActor, report_id: int
) -> Response:
    """One report. Opening it is written down, and begins the review when the role reviews."""
    with services.database.write() as session:
        report = access.report(session, actor, report_id)
        if report.state == "received" and access.may_review(actor, report):
            review.start(session, actor, report_id)
        audit.record(session, actor.login, "report.view", f"report:{report_id}")
    with services.database.read() as session:  # nobody who writes waits for a page that is made
        report = access.report(session, actor, report_id)
        return review_view.page(request, session, services, actor, report)


@router.get("/reports/{report_id}/words")
def words_part(
    request: Request,
    session: ReadSession,
    services: ServicesDep,
    actor: CurrentActor,
    report_id: int,
) -> Response:
    """The words of a report; fetched again when the machine has finished."""
    report = access.report(session, actor, report_id)
    shown = review_view.words_context(services, session, actor, report)
    return render(
        request,
        "review/words.html",
        may_review=access.may_review(actor, report),
        is_open=report.state in review_list.WAITING,
        **shown,
    )


@router.get("/reports/{report_id}/audio")
def audio(
    session: WriteSession, services: ServicesDep, actor: CurrentActor, report_id: int
) -> Response:
    """The sound, with byte ranges; who listened is written down."""
    report = access.report(session, actor, report_id)
    access.require_hear(actor, report)
    sha256 = review_view.playable_sha256(session, report)
    if sha256 is None:
        raise NotFound(N_("This report has no sound."))
    path = services.store.existing_path(sha256)
    listening.note_play(session, actor, report)
    _audit_play(session, actor, report)
    blob = session.get_one(Blob, sha256)
    return FileResponse(
        path, media_type=blob.media_type, headers={"cache-control": "private, no-store"}
    )


@router.get("/reports/{report_id}/audio/muted")
def muted_audio(services: ServicesDep, actor: CurrentActor, report_id: int) -> Response:
    """The sound with a tone instead of numbers of people; who listened is written down."""
    with services.database.read() as session:
        report = access.report(session, actor, report_id)
        if not access.may_hear_muted(actor, report):
            raise Forbidden(N_("Your role does not hear reports."))
        sha256 = review_view.playable_sha256(session, report)
    if sha256 is None:
        raise NotFound(N_("This report has no sound."))
    made = shared_sound.ensure(services.database, services.store, "report", report_id, sha256)
    with services.database.write() as session:
        _audit_play(session, actor, report, muted=True)
    return FileResponse(
        services.store.existing_path(made.sha256),
        media_type=shared_sound.MEDIA_TYPE,
        headers={"cache-control": "private, no-store"},
    )


def _audit_play(session: Session, actor: Actor, report: Report, *, muted: bool = False) -> None:
    action = "report.play_muted" if muted else "report.play"
    recent = session.scalar(
        sa.select(AuditEntry.id).where(
            AuditEntry.actor == actor.login,
            AuditEntry.action == action,
            AuditEntry.subject == f"report:{report.id}",
            AuditEntry.at > utc_now() - PLAY_AGAIN,
        )
    )
    if recent is None:
        audit.record(session, actor.login, action, f"report:{report.id}")


@router.post("/reports/{report_id}/heard")
def heard(session: WriteSession, actor: CurrentActor, report_id: int) -> Response:
    """The page played the sound to its end."""
    with attempt(session) as tried:
        listening.mark_heard(session, actor, report_id)
    return errors.problem(tried.error) if tried.error else JSONResponse({"heard": True})


@router.post("/reports/{report_id}/draft")
def save_draft(
    session: WriteSession,
    actor: CurrentActor,
    report_id: int,
    draft: Annotated[Draft, Body()],
) -> Response:
    """Keep what was typed so far; answers the version to send next time."""
    fields = json.dumps(draft.model_dump(exclude={"version"}), ensure_ascii=False)
    with attempt(session) as tried:
        review.save_draft(session, actor, report_id, fields, draft.version)
    if tried.error:
        return errors.problem(tried.error)
    return JSONResponse({"version": draft.version + 1})
