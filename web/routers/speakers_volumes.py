"""How loud an area is at each hour of the day."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from broadcast import volumes
from core import areas
from core.auth import Actor
from core.errors import N_, InvalidInput, XiangyinError
from core.models import Area
from web.deps import ReadSession, WriteSession, attempt, require
from web.pages import render, see_other
from web.routing import Router

router = Router(prefix="/speakers/volumes")
Tuner = Annotated[Actor, Depends(require("speaker.volume"))]
PRESETS = (
    (N_("Loud all day"), volumes.LOUD_ALL_DAY),
    (N_("Night quiet"), volumes.NIGHT_QUIET),
    (N_("Night and noon quiet"), volumes.NIGHT_AND_NOON_QUIET),
)


@router.get("")
def volumes_page(request: Request, session: ReadSession, actor: Tuner, area: str = "") -> Response:
    """The 24 numbers of an area, and where they come from."""
    return _page(request, session, actor, area or actor.area_code or "")


@router.post("")
def set_volumes(
    request: Request,
    session: WriteSession,
    actor: Tuner,
    area: Annotated[str, Form()] = "",
    percent: Annotated[list[str] | None, Form()] = None,
    forget: Annotated[str, Form()] = "",
) -> Response:
    """Set the 24 numbers of an area, or let it take those of the area above again."""
    with attempt(session) as tried:
        if forget:
            volumes.forget_by_hour(session, actor, area)
        else:
            volumes.set_by_hour(session, actor, area, percent or [])
    if isinstance(tried.error, InvalidInput):
        return _page(request, session, actor, area, tried.error, percent)
    if tried.error:
        raise tried.error
    return see_other(
        f"/speakers/volumes?area={area}", N_("The volume is on its way to the players.")
    )


def _page(
    request: Request,
    session: Session,
    actor: Actor,
    area_code: str,
    error: XiangyinError | None = None,
    typed: list[str] | None = None,
) -> Response:
    actor.require_area(session, area_code)
    area = areas.get(session, area_code)
    hours = volumes.by_hour(session, area_code)
    return render(
        request,
        "speakers/volumes.html",
        area=area,
        own_areas=_choices(session, actor),
        hours=hours,
        set_by=session.get(Area, hours.set_by) if hours.set_by else None,
        percent=typed if typed and len(typed) == volumes.HOURS else hours.percent,
        presets=PRESETS,
        error=error,
    )


def _choices(session: Session, actor: Actor) -> list[tuple[str, str]]:
    """The actor's own area and what lies below it, towns before their villages."""
    codes = areas.below(session, actor.area_code) if actor.area_code else set()
    own = [area for area in session.query(Area) if area.code in codes and area.level != "grid"]
    own.sort(key=lambda area: (areas.LEVELS.index(area.level), area.code))
    return [(area.code, area.name) for area in own]
