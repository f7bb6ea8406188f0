"""Speech models: which one is used where, how well each hears, and switching (administrators)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from core.auth import Actor
from core.errors import N_, XiangyinError
from desk import model_choices
from transcribe import catalogue, known
from transcribe.choices import Place
from web import model_view
from web.deps import ReadSession, Services, ServicesDep, require
from web.pages import Nav, render, see_other
from web.routers.people import area_options
from web.routing import Router

router = Router()
NAV = [Nav(85, "/models", N_("Speech models"), "people.edit")]
Administrator = Annotated[Actor, Depends(require("people.edit"))]


@router.get("/models")
def models_page(
    request: Request, session: ReadSession, services: ServicesDep, actor: Administrator
) -> Response:
    """Installed speech models, where each is used, and how well it was measured to hear."""
    return _page(request, session, services, actor)


@router.post("/models")
def use(
    request: Request,
    services: ServicesDep,
    actor: Administrator,
    model: Annotated[str, Form()] = "",
    area: Annotated[str, Form()] = "",
    language: Annotated[str, Form()] = "",
) -> Response:
    """Use an installed model for an area, a language or everything else; it is tried first."""
    try:
        place = Place(area_code=area or None, language=language.strip() or None)
        with services.database.read() as session:
            model_choices.require_place(session, actor, place)
        tried = catalogue.try_out(services.settings, model)  # may take a minute: no session is open
        with services.database.write() as session:
            model_choices.use(session, actor, services.settings, tried, place)
    except XiangyinError as error:
        typed = {"model": model, "area": area, "language": language}
        with services.database.read() as session:
            return _page(request, session, services, actor, error=error, values=typed)
    return see_other("/models", N_("The model is in use from the next sound on."))


@router.post("/models/release")
def release(
    services: ServicesDep,
    actor: Administrator,
    model: Annotated[str, Form()] = "",
    area: Annotated[str, Form()] = "",
    language: Annotated[str, Form()] = "",
) -> Response:
    """Take a choice back: the area above, the language or the default holds there again."""
    place = Place(area_code=area or None, language=language or None)
    with services.database.write() as session:
        model_choices.release(session, actor, services.settings, model, place)
    return see_other("/models", N_("Stored."))


def _page(
    request: Request,
    session: Session,
    services: Services,
    actor: Actor,
    *,
    error: XiangyinError | None = None,
    values: dict[str, Any] | None = None,
) -> Response:
    rows = model_view.rows(session, services.settings, actor)
    return render(
        request,
        "models/list.html",
        rows=rows,
        model_options=[(row.model.name, row.model.name) for row in rows],
        fixed_folder=services.settings.model_dir,
        known_names=list(known.KNOWN),
        answers_for_all=model_choices.answers_for_all(session, actor),
        area_options=area_options(session, actor),
        error=error,
        values=values or {},
    )
