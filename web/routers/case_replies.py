"""What the handler says to the resident: spoken here, uploaded, or typed for the machine."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import File, Form, Request, UploadFile
from sqlalchemy.orm import Session
from starlette.responses import FileResponse, Response

from cases import access, replies
from cases.models import Case
from cases.replies import Prepared
from core.auth import Actor
from core.errors import N_, InvalidInput, XiangyinError
from desk import people
from web import masks, uploads
from web.deps import CurrentActor, ReadSession, Services, ServicesDep, WriteSession
from web.pages import render, see_other
from web.routing import Router

router = Router()


@router.get("/cases/{case_id}/reply")
def reply_page(
    request: Request, session: ReadSession, actor: CurrentActor, case_id: int
) -> Response:
    """The form of a reply."""
    return _form(request, _mine(session, actor, case_id))


@router.post("/cases/{case_id}/reply")
def reply(
    request: Request,
    session: ReadSession,
    services: ServicesDep,
    actor: CurrentActor,
    case_id: int,
    text: Annotated[str, Form()] = "",
    file: Annotated[UploadFile | None, File()] = None,
    recording: Annotated[UploadFile | None, File()] = None,
) -> Response:
    """Make sound of it and let the resident hear it from now on."""
    case = _mine(session, actor, case_id)
    session.close()  # speaking and decoding take seconds; nobody shall wait for us meanwhile
    try:
        prepared = _prepared(services, text, uploads.given(recording, file))
        with services.database.write() as writing:
            replies.add(writing, services.store, actor, case_id, prepared)
    except XiangyinError as error:
        return _form(request, case, error, {"text": text})
    return see_other(f"/cases/{case_id}", N_("The resident hears it when asking how it stands."))


@router.get("/cases/{case_id}/replies")
def replies_part(
    request: Request, session: ReadSession, actor: CurrentActor, case_id: int
) -> Response:
    """The changing part of a case: what was said to the resident."""
    return render(request, "cases/replies.html", **context(session, actor, case_id))


@router.post("/cases/{case_id}/replies/{reply_id}/withdraw")
def withdraw(session: WriteSession, actor: CurrentActor, case_id: int, reply_id: int) -> Response:
    """Nobody hears it any more."""
    replies.withdraw(session, actor, case_id, reply_id)
    return see_other(f"/cases/{case_id}", N_("The reply is withdrawn; nobody hears it any more."))


@router.get("/cases/{case_id}/replies/{reply_id}/audio")
def audio(
    session: WriteSession, services: ServicesDep, actor: CurrentActor, case_id: int, reply_id: int
) -> Response:
    """A reply as the resident hears it; written down each time."""
    found = replies.for_staff(session, actor, case_id, reply_id)
    return FileResponse(
        services.store.existing_path(found.sha256),
        media_type="audio/wav",
        headers={"cache-control": "private, no-store"},
    )


def context(session: Session, actor: Actor, case_id: int) -> dict[str, Any]:
    """What cases/replies.html shows."""
    case = access.case(session, actor, case_id)
    found = replies.of_case(session, case.id)
    return {
        "case": case,
        "replies": found,
        "speakers": people.names(session, [reply.by_id for reply in found]),
        "may_reply": replies.may_reply(actor, case),
        "said": masks.of_cases(actor).text,
    }


def _mine(session: Session, actor: Actor, case_id: int) -> Case:
    return replies.for_reply(session, actor, case_id)


def _prepared(services: Services, text: str, upload: UploadFile | None) -> Prepared:
    if upload is not None:
        with uploads.copied(upload, services.settings.report_upload_max_mb) as copy:
            return replies.from_sound(services.store, copy)
    if not text.strip():
        raise InvalidInput(N_("Record or choose a sound, or write a few words."), field="file")
    return replies.from_text(services.store, text)


def _form(
    request: Request,
    case: Case,
    error: XiangyinError | None = None,
    values: dict[str, str] | None = None,
) -> Response:
    return render(
        request,
        "cases/reply.html",
        case=case,
        error=error,
        values=values or {},
        max_text=replies.MAX_TEXT,
        minutes=replies.MAX_S // 60,
    )
