"""A handler notes that he spoke with the resident of a case."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request
from starlette.responses import Response

from cases import access
from core.errors import N_
from hotline import contact_by_hand
from web import contact_view
from web.contact_view import ContactForm
from web.deps import CurrentActor, ReadSession, ServicesDep, WriteSession, attempt
from web.pages import render, see_other
from web.routers import cases
from web.routing import Router

router = Router()


@router.get("/cases/{case_id}/contact")
def contact_part(
    request: Request, session: ReadSession, services: ServicesDep, actor: CurrentActor, case_id: int
) -> Response:
    """Whether anybody spoke with the resident yet: the changing part."""
    case = access.case(session, actor, case_id)
    view = contact_view.of_case(session, services, actor, case)
    return render(request, "cases/contact_state.html", contact=view)


@router.post("/cases/{case_id}/contact")
def note_contact(
    request: Request, session: WriteSession, services: ServicesDep, actor: CurrentActor,
    case_id: int,
    way: Annotated[str, Form(max_length=20)] = "",
    spoke_at: Annotated[str, Form(max_length=40)] = "",
    words: Annotated[str, Form(max_length=2000)] = "",
) -> Response:  # fmt: skip
    """Note that one spoke with the resident, when, and about what."""
    settings = services.settings
    with attempt(session) as tried:
        at = contact_view.instant(spoke_at, settings.zone)
        contact_by_hand.note(session, settings, services.sealer, actor, case_id, way, at, words)
    if tried.error:
        case = access.case(session, actor, case_id)
        told = ContactForm(way, spoke_at, words, tried.error)
        return cases.case_response(request, session, actor, case, tried.error, told=told)
    return see_other(f"/cases/{case_id}", N_("Noted: you spoke with the resident."))
