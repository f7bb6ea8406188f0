"""The calendar: what airs in the week, and what came of it, village by village."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Depends, Request
from sqlalchemy.orm import Session
from starlette.responses import FileResponse, Response

from broadcast import asrun, beside_plan, day_asrun, sounded
from broadcast.models import Player
from core import areas
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, NotFound
from core.models import Blob
from schedule import rundown, slots
from web.deps import ReadSession, ServicesDep, require
from web.pages import Nav, render
from web.routing import Router

router = Router()
NAV = [Nav(30, "/calendar", N_("Calendar"), "schedule.read")]
Reader = Annotated[Actor, Depends(require("schedule.read"))]
FAR = timedelta(days=365 * 50)


def own_villages(session: Session, actor: Actor) -> list[str]:
    """Codes of the villages the actor sees."""
    if actor.area_code is None:
        return []
    return [area.code for area in areas.villages(session, actor.area_code)]


def _monday(wish: str, today: date) -> date:
    try:
        day = date.fromisoformat(wish)
    except ValueError:
        day = today
    if abs(day - today) > FAR:
        day = today
    return day - timedelta(days=day.weekday())


def _week(session: Session, actor: Actor, zone: str, wish: str) -> dict[str, Any]:
    today = rundown.local_date_of(utc_now(), zone)
    monday = _monday(wish, today)
    dates = [monday + timedelta(days=n) for n in range(7)]
    villages = own_villages(session, actor)
    found = asrun.week(session, villages, dates[0], dates[-1])
    beside = beside_plan.by_day(session, villages, dates[0], dates[-1], zone)
    has_player = session.scalar(
        sa.select(Player.id)
        .where(Player.area_code.in_(villages), Player.revoked_at.is_(None))
        .limit(1)
    )
    return {
        "monday": monday,
        "today": today,
        "days": [
            (
                day,
                day_asrun.together(
                    [slot for slot in found if slot.local_date == day],
                    [each for each in beside if each.local_date == day],
                ),
            )
            for day in dates
        ],
        "is_empty": not found and not beside,
        "has_villages": bool(villages),
        "has_player": has_player is not None,
        "overlaps": asrun.overlaps(session, villages, dates[0], dates[-1]),
        "before": monday - timedelta(days=7),
        "after": monday + timedelta(days=7),
    }


@router.get("/calendar")
def calendar(
    request: Request, session: ReadSession, services: ServicesDep, actor: Reader, week: str = ""
) -> Response:
    """One week, Monday to Sunday."""
    shown = _week(session, actor, services.settings.zone, week)
    return render(request, "calendar/week.html", **shown)


@router.get("/calendar/week")
def week_part(
    request: Request, session: ReadSession, services: ServicesDep, actor: Reader, week: str = ""
) -> Response:
    """The changing part of the week."""
    shown = _week(session, actor, services.settings.zone, week)
    return render(request, "calendar/days.html", **shown)


def _slot_day(session: Session, actor: Actor, slot_id: int, local_date: date) -> dict[str, Any]:
    slot = slots.get(session, actor, slot_id)
    villages = own_villages(session, actor)
    lines = asrun.lines(session, slot_id, local_date, villages)
    if not lines:
        raise NotFound(N_("Nothing is planned in this slot on that day."))
    day = next(
        found
        for found in asrun.week(session, villages, local_date, local_date)
        if found.slot.id == slot_id
    )
    return {"slot": slot, "day": day, "lines": lines, "local_date": local_date}


@router.get("/calendar/slots/{slot_id}/{local_date}")
def slot_day(
    request: Request, session: ReadSession, actor: Reader, slot_id: int, local_date: date
) -> Response:
    """One slot on one day: every village with its state, its error and its reason."""
    shown = _slot_day(session, actor, slot_id, local_date)
    return render(request, "calendar/slot_day.html", **shown)


@router.get("/calendar/slots/{slot_id}/{local_date}/lines")
def slot_day_part(
    request: Request, session: ReadSession, actor: Reader, slot_id: int, local_date: date
) -> Response:
    """The changing part of one slot on one day."""
    shown = _slot_day(session, actor, slot_id, local_date)
    return render(request, "calendar/lines.html", **shown)


@router.get("/plays/{play_id}/sounded")
def sounded_audio(
    session: ReadSession, services: ServicesDep, actor: Reader, play_id: int
) -> FileResponse:
    """What was really sounded, with byte ranges; plays of other areas are not there.

    Rounds of overrides and test tones have numbers of the same row.
    """
    play = sounded.find(session, play_id)
    if play is None or play.sounded_sha256 is None or not actor.sees(session, play.area_code):
        raise NotFound(N_("There is no such sound."))
    blob = session.get_one(Blob, play.sounded_sha256)
    return FileResponse(
        services.store.existing_path(play.sounded_sha256),
        media_type=blob.media_type,
        headers={"etag": f'"{blob.sha256}"', "cache-control": "private, no-cache"},
    )
