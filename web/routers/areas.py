"""Areas: villages added one by one or by CSV, their digits for the telephone (administrators)."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Depends, File, Form, Request, UploadFile
from sqlalchemy.orm import Session
from starlette.responses import Response

from core import areas
from core.auth import Actor
from core.errors import N_, XiangyinError
from core.models import Area
from desk import area_import, csv_file, people, poster_codes
from web.deps import ReadSession, WriteSession, attempt, require
from web.pages import LEVEL_NAMES, Nav, render, see_other
from web.routers.people import area_options
from web.routing import Router

router = Router()
NAV = [Nav(85, "/areas", N_("Areas"), "people.edit")]
Administrator = Annotated[Actor, Depends(require("people.edit"))]


def _page(
    request: Request,
    session: Session,
    actor: Actor,
    *,
    error: XiangyinError | None = None,
    values: dict[str, Any] | None = None,
) -> Response:
    own = people.own_area_codes(session, actor)
    query = sa.select(Area).order_by(Area.code)
    found = session.scalars(query if own is None else query.where(Area.code.in_(own))).all()
    lines = error.lines if isinstance(error, csv_file.ImportRefused) else []
    return render(
        request,
        "areas/list.html",
        areas=found,
        names=dict(session.execute(sa.select(Area.code, Area.name)).tuples().all()),
        area_options=area_options(session, actor),
        levels=list(LEVEL_NAMES.items()),
        lines=lines,
        error=error,
        values=values or {"level": "village"},
    )


@router.get("/areas")
def areas_page(request: Request, session: ReadSession, actor: Administrator) -> Response:
    """The tree of the own area, and forms to add to it."""
    return _page(request, session, actor)


@router.post("/areas")
def add(
    request: Request,
    session: WriteSession,
    actor: Administrator,
    code: Annotated[str, Form()] = "",
    name: Annotated[str, Form()] = "",
    level: Annotated[str, Form()] = "village",
    parent_code: Annotated[str, Form()] = "",
    poster_code: Annotated[str, Form()] = "",
    latitude: Annotated[str, Form()] = "",
    longitude: Annotated[str, Form()] = "",
) -> Response:
    """Add one area."""
    typed = {
        "code": code.strip(),
        "name": name.strip(),
        "level": level,
        "parent_code": parent_code,
        "poster_code": poster_code.strip(),
        "latitude": latitude.strip(),
        "longitude": longitude.strip(),
    }
    with attempt(session) as tried:
        area_import.add(session, actor, **typed)
    if tried.error:
        return _page(request, session, actor, error=tried.error, values=typed)
    return see_other("/areas", N_("The area is added."))


@router.post("/areas/import")
def import_csv(
    request: Request,
    session: WriteSession,
    actor: Administrator,
    file: Annotated[UploadFile, File()],
) -> Response:
    """Add all areas of a CSV file, or none."""
    data = file.file.read(csv_file.MAX_BYTES + 1)
    with attempt(session) as tried:
        area_import.import_csv(session, actor, data)
    if tried.error:
        return _page(request, session, actor, error=tried.error)
    return see_other("/areas", N_("All areas of the file are added."))


@router.get("/areas/{code}/poster-code")
def poster_code_page(
    request: Request, session: ReadSession, actor: Administrator, code: str
) -> Response:
    """The digits by which callers name a village, and what a change means."""
    return _poster_code(request, session, actor, code)


def _poster_code(
    request: Request,
    session: Session,
    actor: Actor,
    code: str,
    error: XiangyinError | None = None,
    typed: str | None = None,
) -> Response:
    village = poster_codes.village(session, actor, code)
    digits = village.poster_code or ""
    return render(
        request,
        "areas/poster_code.html",
        village=village,
        above=areas.names(session, [village.parent_code]).get(village.parent_code or ""),
        error=error,
        values={"poster_code": digits if typed is None else typed},
    )


@router.post("/areas/{code}/poster-code")
def change_poster_code(
    request: Request,
    session: WriteSession,
    actor: Administrator,
    code: str,
    poster_code: Annotated[str, Form()] = "",
    was: Annotated[str, Form()] = "",
) -> Response:
    """Give a village its three digits for the telephone, or other ones."""
    with attempt(session) as tried:
        poster_codes.change(session, actor, code, poster_code, was or None)
    if tried.error:
        return _poster_code(request, session, actor, code, tried.error, poster_code)
    return see_other(f"/areas#a{code}", N_("Stored. Print the village's sheets anew now."))
