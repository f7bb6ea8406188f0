"""The quiet button: nothing is played in a village for an hour, or until tomorrow morning."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from core import areas
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, InvalidInput, XiangyinError
from desk import people
from schedule import quiet
from web.deps import ReadSession, Services, ServicesDep, WriteSession, attempt, require
from web.pages import Nav, render, see_other
from web.routing import Router

router = Router()
NAV = [Nav(45, "/quiet", N_("Quiet"), "quiet.order")]
Head = Annotated[Actor, Depends(require("quiet.order"))]
HOUR, MORNING = "hour", "morning"


@router.get("/quiet")
def quiet_page(
    request: Request, session: ReadSession, services: ServicesDep, actor: Head
) -> Response:
    """Which villages are quiet, and the buttons."""
    return _page(request, session, services, actor)


@router.post("/quiet")
def order(
    request: Request,
    session: WriteSession,
    services: ServicesDep,
    actor: Head,
    area_code: Annotated[str, Form()] = "",
    length: Annotated[str, Form()] = "",
) -> Response:
    """Order quiet from now on; in place of one that runs."""
    zone = services.settings.zone
    with attempt(session) as tried:
        if not area_code:
            raise InvalidInput(N_("Choose the village."), field="area_code")
        if length not in (HOUR, MORNING):
            raise InvalidInput(N_("Use one of the buttons of the page."))
        hour_from_now = utc_now() + timedelta(hours=1)
        until = hour_from_now if length == HOUR else quiet.until_morning(zone)
        quiet.order(session, actor, area_code, until, "page")
    if tried.error:
        return _page(request, session, services, actor, tried.error)
    return see_other("/quiet", N_("It is quiet from now on. What is sounding ends first."))


@router.post("/quiet/lift")
def lift(session: WriteSession, actor: Head, area_code: Annotated[str, Form()] = "") -> Response:
    """End the quiet now."""
    quiet.lift(session, actor, area_code, "page")
    return see_other("/quiet", N_("The loudspeakers play again as planned."))


def _page(
    request: Request,
    session: Session,
    services: Services,
    actor: Actor,
    error: XiangyinError | None = None,
) -> Response:
    villages = areas.villages(session, actor.area_code) if actor.area_code else []
    names = {village.code: village.name for village in villages}
    running = quiet.running_in(session, names)
    return render(
        request,
        "quiet/page.html",
        villages=list(names.items()),
        names=names,
        running=running,
        people=people.names(session, [found.ordered_by_id for found in running.values()]),
        morning=quiet.until_morning(services.settings.zone),
        error=error,
    )
