"""Loudspeakers: which players are there, letting new ones in, shutting old ones out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from broadcast import players, speakers
from core import areas
from core.auth import Actor
from core.errors import N_, XiangyinError
from web.deps import ReadSession, ServicesDep, WriteSession, attempt, require
from web.pages import Nav, render, see_other

router = APIRouter(prefix="/speakers")
NAV = [Nav(50, "/speakers", N_("Loudspeakers"), "speaker.read")]
Reader = Annotated[Actor, Depends(require("speaker.read"))]
Editor = Annotated[Actor, Depends(require("speaker.edit"))]


@router.get("")
def speakers_page(request: Request, session: ReadSession, actor: Reader) -> Response:
    """All villages of the area with their players."""
    return render(request, "speakers/list.html", villages=speakers.overview(session, actor))


@router.get("/rows")
def rows(request: Request, session: ReadSession, actor: Reader) -> Response:
    """The changing part of the page."""
    return render(request, "speakers/rows.html", villages=speakers.overview(session, actor))


@router.get("/new")
def new(request: Request, session: ReadSession, actor: Editor, village: str = "") -> Response:
    """Ask for which village the new player is."""
    return _form(request, session, actor, {"area_code": village})


@router.post("/new")
def create_code(
    request: Request,
    session: WriteSession,
    services: ServicesDep,
    actor: Editor,
    area_code: Annotated[str, Form()] = "",
    name: Annotated[str, Form()] = "",
) -> Response:
    """Make a one-time code; it is shown on this answer and never again."""
    with attempt(session) as tried:
        made = players.new_code(session, actor, area_code, name)
    if tried.error:
        return _form(request, session, actor, {"area_code": area_code, "name": name}, tried.error)
    settings = services.settings
    server = settings.public_base_url.rstrip("/") or str(request.base_url).rstrip("/")
    return render(
        request,
        "speakers/code.html",
        made=made,
        village=areas.get(session, area_code),
        server=server,
        ca_url=f"http://{request.url.hostname}:{settings.guide_port}/ca.pem"
        if settings.web_tls == "own-ca"
        else None,
    )


@router.post("/players/{player_id}/revoke")
def revoke(session: WriteSession, actor: Editor, player_id: str) -> Response:
    """Shut a player out."""
    players.revoke(session, actor, player_id)
    return see_other("/speakers", N_("The player is shut out. Give it a new code to let it in."))


def _form(
    request: Request,
    session: Session,
    actor: Actor,
    values: dict[str, str],
    error: XiangyinError | None = None,
) -> Response:
    villages = areas.villages(session, actor.area_code) if actor.area_code else []
    return render(
        request,
        "speakers/new.html",
        villages=[(area.code, area.name) for area in villages],
        values=values,
        error=error,
    )
