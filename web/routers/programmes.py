"""Programmes: the list, one series with its episodes, what it opens and closes with."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import File, Form, Request, UploadFile
from sqlalchemy.orm import Session
from starlette.responses import Response

from core import areas
from core.auth import Actor
from core.errors import N_, XiangyinError
from core.models import Area
from recordings import episodes, programmes
from recordings.models import Clip, Programme
from web import uploads
from web.deps import CurrentActor, ReadSession, Services, ServicesDep, WriteSession, attempt
from web.episode_view import BADGES
from web.pages import LEVEL_NAMES, Nav, render, see_other
from web.routing import Router

router = Router()
NAV = [Nav(40, "/programmes", N_("Programmes"), "schedule.read")]
Place = Literal["opening", "closing"]


@router.get("/programmes")
def list_page(request: Request, session: ReadSession, actor: CurrentActor) -> Response:
    """All series of the own area, and what waits for approval."""
    return render(request, "programmes/list.html", **_list(session, actor))


@router.get("/programmes/list")
def list_part(request: Request, session: ReadSession, actor: CurrentActor) -> Response:
    """The changing part of the list."""
    return render(request, "programmes/list_part.html", **_list(session, actor))


def _list(session: Session, actor: Actor) -> dict[str, Any]:
    summaries = programmes.listing(session, actor)
    names = {summary.programme.id: summary.programme.name for summary in summaries}
    waiting = episodes.waiting_for_approval(session, actor)
    return {"summaries": summaries, "names": names, "waiting": waiting}


@router.get("/programmes/new")
def new_page(request: Request, session: ReadSession, actor: CurrentActor) -> Response:
    """The form for a new series."""
    actor.require("episode.record")
    values = {"area_code": actor.area_code or ""}
    options = _area_options(session, actor)
    return render(request, "programmes/new.html", area_options=options, values=values)


@router.post("/programmes/new")
def create(
    request: Request,
    session: WriteSession,
    actor: CurrentActor,
    name: Annotated[str, Form()] = "",
    description: Annotated[str, Form()] = "",
    area_code: Annotated[str, Form()] = "",
) -> Response:
    """Start a series."""
    with attempt(session) as tried:
        programme = programmes.create(session, actor, name, description, area_code or None)
    if tried.error is None:
        return see_other(f"/programmes/{programme.id}", N_("The programme is there."))
    return render(
        request,
        "programmes/new.html",
        area_options=_area_options(session, actor),
        error=tried.error,
        values={"name": name, "description": description, "area_code": area_code},
    )


@router.get("/programmes/{programme_id}")
def programme_page(
    request: Request, session: ReadSession, actor: CurrentActor, programme_id: int
) -> Response:
    """One series with its episodes."""
    return _page(request, session, programmes.get(session, actor, programme_id))


@router.get("/programmes/{programme_id}/episodes")
def episodes_part(
    request: Request, session: ReadSession, actor: CurrentActor, programme_id: int
) -> Response:
    """The changing part of a series: its episodes."""
    programme = programmes.get(session, actor, programme_id)
    return render(request, "programmes/episodes.html", **_episodes(session, programme))


@router.post("/programmes/{programme_id}")
def change(
    request: Request,
    session: WriteSession,
    actor: CurrentActor,
    programme_id: int,
    name: Annotated[str, Form()] = "",
    description: Annotated[str, Form()] = "",
) -> Response:
    """Rename or describe a series anew."""
    with attempt(session) as tried:
        programmes.change(session, actor, programme_id, name, description)
    if tried.error is None:
        return see_other(f"/programmes/{programme_id}", N_("Stored."))
    typed = {"name": name, "description": description}
    programme = programmes.get(session, actor, programme_id)
    return _page(request, session, programme, error=tried.error, values=typed)


@router.post("/programmes/{programme_id}/{place}")
def set_jingle(
    request: Request,
    session: WriteSession,
    reading: ReadSession,
    services: ServicesDep,
    actor: CurrentActor,
    programme_id: int,
    place: Place,
    file: Annotated[UploadFile | None, File()] = None,
    remove: Annotated[str, Form()] = "",
) -> Response:
    """Give the series another opening or closing, or take it away."""
    actor.require("episode.record")
    programmes.get(reading, actor, programme_id)
    try:
        jingle = None if remove else _jingle(services, file)
    except XiangyinError as error:
        programme = programmes.get(reading, actor, programme_id)
        return _page(request, reading, programme, error=error, values={"place": place})
    programmes.attach_jingle(session, services.store, actor, programme_id, place, jingle)
    return see_other(f"/programmes/{programme_id}", N_("Stored. It counts for new episodes."))


def _jingle(services: Services, file: UploadFile | None) -> programmes.Jingle:
    sha256 = uploads.keep(file, services.store, services.settings.report_upload_max_mb)
    return programmes.prepare_jingle(services.store, sha256)


def _page(
    request: Request,
    session: Session,
    programme: Programme,
    *,
    error: XiangyinError | None = None,
    values: dict[str, Any] | None = None,
) -> Response:
    shas = {"opening": programme.opening_sha256, "closing": programme.closing_sha256}
    return render(
        request,
        "programmes/programme.html",
        area_name=areas.get(session, programme.area_code).name,
        place=(values or {}).get("place"),
        jingles={place: session.get(Clip, sha) if sha else None for place, sha in shas.items()},
        error=error,
        values={"name": programme.name, "description": programme.description, **(values or {})},
        **_episodes(session, programme),
    )


def _episodes(session: Session, programme: Programme) -> dict[str, Any]:
    found = episodes.of_programme(session, programme.id)
    clips = {each.id: episodes.delivery_clip(session, each) for each in found}
    return {
        "programme": programme,
        "episodes": found,
        "clips": clips,
        "states": episodes.STATES,
        "badges": BADGES,
    }


def _area_options(session: Session, actor: Actor) -> list[tuple[str, str]]:
    if actor.area_code is None:
        return []
    order = list(LEVEL_NAMES)
    own = [session.get_one(Area, code) for code in areas.below(session, actor.area_code)]
    own.sort(key=lambda area: (order.index(area.level), area.code))
    return [(area.code, area.name) for area in own]
