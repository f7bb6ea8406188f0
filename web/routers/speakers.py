"""Loudspeakers: which players are there and which horn is dumb; letting new ones in."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, File, Form, Request, UploadFile
from sqlalchemy.orm import Session
from starlette.responses import Response

from broadcast import players, speakers, village_map
from core import areas
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, XiangyinError
from web.deps import ReadSession, ServicesDep, WriteSession, attempt, require
from web.pages import Nav, render, see_other
from web.routing import Router
from web.speaker_view import enrol_commands, geojson

router = Router(prefix="/speakers")
NAV = [Nav(50, "/speakers", N_("Loudspeakers"), "speaker.read")]
Reader = Annotated[Actor, Depends(require("speaker.read"))]
Editor = Annotated[Actor, Depends(require("speaker.edit"))]
SHOWN = {
    "": N_("All villages"),
    "problems": N_("Only problems"),
    "waiting": N_("Players to approve"),
    "out": N_("Shut out players"),
}
"""Filters of the list."""


@router.get("")
def speakers_page(
    request: Request, session: ReadSession, actor: Reader, show: str = ""
) -> Response:
    """All villages of the area with their players, the worst first, beside a map of them."""
    return render(request, "speakers/list.html", **_list(session, actor, show))


@router.get("/rows")
def rows(request: Request, session: ReadSession, actor: Reader, show: str = "") -> Response:
    """The changing part of the page."""
    return render(request, "speakers/rows.html", **_list(session, actor, show))


def _list(session: Session, actor: Actor, show: str) -> dict[str, Any]:
    show = show if show in SHOWN else ""
    villages = speakers.overview(session, actor)
    counts: dict[str, int] = {}
    for village in villages:
        for state in [box.glance.state for box in village.boxes] or ["no_player"]:
            counts[state] = counts.get(state, 0) + 1
    return {
        "villages": villages,
        "boxes": speakers.shut_out(session, actor) if show == "out" else [],
        "counts": counts,
        "show": show,
        "filters": SHOWN,
        "now": utc_now(),
    }


@router.get("/map.geojson")
def map_file(session: ReadSession, services: ServicesDep, actor: Reader) -> Response:
    """Outlines (or points) of the villages of the area."""
    return geojson(village_map.shown(session, actor, services.settings))


@router.get("/map")
def map_page(request: Request, actor: Editor) -> Response:
    """Ask for the file with the outlines of the villages."""
    return render(request, "speakers/map.html")


@router.post("/map")
def keep_map(
    request: Request,
    session: WriteSession,
    services: ServicesDep,
    actor: Editor,
    file: Annotated[UploadFile, File()],
) -> Response:
    """Take in the outlines of the villages, or say which one is wrong."""
    data = file.file.read(village_map.MAX_BYTES + 1)
    with attempt(session) as tried:
        village_map.keep(session, actor, services.settings, data)
    if tried.error:
        return render(request, "speakers/map.html", error=tried.error)
    return see_other("/speakers", N_("The map is there."))


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
    return render(
        request,
        "speakers/code.html",
        made=made,
        village=areas.get(session, area_code),
        **enrol_commands(request, services.settings),
    )


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
