"""The start page: what needs doing."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from core.errors import N_
from desk import briefing
from web.deps import CurrentActor, ReadSession, ServicesDep
from web.pages import Nav, render

router = APIRouter()
NAV = [Nav(0, "/", N_("Start"))]


@router.get("/")
def home(
    request: Request, session: ReadSession, actor: CurrentActor, services: ServicesDep
) -> Response:
    """What waits for this person, each with its link."""
    found = briefing.duties(session, actor, services.settings.zone)
    return render(request, "web/home.html", duties=found)


@router.get("/duties")
def duties(
    request: Request, session: ReadSession, actor: CurrentActor, services: ServicesDep
) -> Response:
    """The changing part of the start page."""
    found = briefing.duties(session, actor, services.settings.zone)
    return render(request, "web/duties.html", duties=found)
