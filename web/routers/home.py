"""The start page: what needs doing."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from broadcast import override
from core.errors import N_
from desk import briefing
from web import override_view
from web.deps import CurrentActor, ReadSession, ServicesDep
from web.pages import Nav, render
from web.routing import Router

router = Router()
NAV = [Nav(0, "/", N_("Start"))]


@router.get("/")
def home(
    request: Request, session: ReadSession, actor: CurrentActor, services: ServicesDep
) -> Response:
    """What waits for this person, each with its link."""
    found = briefing.duties(session, actor, services.settings.zone)
    running = override.running(session, actor) if actor.may(override.RIGHT) else []
    return render(
        request,
        "web/home.html",
        duties=found,
        running=running,
        kinds=override_view.KIND_NAMES,
    )


@router.get("/duties")
def duties(
    request: Request, session: ReadSession, actor: CurrentActor, services: ServicesDep
) -> Response:
    """The changing part of the start page."""
    found = briefing.duties(session, actor, services.settings.zone)
    return render(request, "web/duties.html", duties=found)
