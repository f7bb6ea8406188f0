"""One day: everything the loudspeakers said, planned or not."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from broadcast import day_asrun
from core import areas
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, NotFound
from schedule import rundown
from web.deps import ReadSession, ServicesDep, require
from web.pages import render
from web.routers.calendar import FAR
from web.routers.live_address import CAUSES
from web.routing import Router

router = Router(prefix="/calendar/days")
Reader = Annotated[Actor, Depends(require("schedule.read"))]


@router.get("/{local_date}")
def one_day(
    request: Request,
    session: ReadSession,
    services: ServicesDep,
    actor: Reader,
    local_date: date,
    village: str = "",
) -> Response:
    """What one village heard on a day, or all of them."""
    shown = _day(session, actor, services.settings.zone, local_date, village)
    return render(request, "calendar/day.html", **shown)


@router.get("/{local_date}/lines")
def day_part(
    request: Request,
    session: ReadSession,
    services: ServicesDep,
    actor: Reader,
    local_date: date,
    village: str = "",
) -> Response:
    """The changing part of one day."""
    shown = _day(session, actor, services.settings.zone, local_date, village)
    return render(request, "calendar/day_lines.html", **shown)


def _day(session: Session, actor: Actor, zone: str, day: date, code: str) -> dict[str, Any]:
    today = rundown.local_date_of(utc_now(), zone)
    if abs(day - today) > FAR:
        raise NotFound(N_("There is no such day."))
    villages = areas.villages(session, actor.area_code) if actor.area_code else []
    if len(villages) == 1 and not code:
        code = villages[0].code
    chosen = next((village for village in villages if village.code == code), None)
    if code and chosen is None:
        raise NotFound(N_("There is no such village in your area."))
    return {
        "day": day,
        "today": today,
        "before": day - timedelta(days=1),
        "after": day + timedelta(days=1),
        "villages": villages,
        "names": {village.code: village.name for village in villages},
        "village": chosen,
        "own": day_asrun.of_village(session, chosen, day, zone) if chosen else [],
        "all": []
        if chosen
        else day_asrun.of_all(session, [village.code for village in villages], day, zone),
        "causes": CAUSES,
    }
