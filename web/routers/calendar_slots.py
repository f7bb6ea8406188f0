"""Planning slots: new, changed, ended."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from core import areas
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, InvalidInput, XiangyinError
from recordings.models import Programme
from schedule import horizon, rundown, slots
from schedule.models import Slot
from web import i18n, slot_notices
from web.deps import ReadSession, ServicesDep, WriteSession, attempt, require
from web.pages import WEEKDAYS, render, see_other
from web.routing import Router

router = Router(prefix="/calendar/slots")
Editor = Annotated[Actor, Depends(require("schedule.edit"))]
DEFAULT_TIME = "12:00"
DEFAULT_DAYS = 90
DEFAULT_MAKE_UP_MINUTES = "60"
USUAL_SOUND = {"priority": 50, "volume_percent": 100, "on_interrupt": "restart"}
IMPORTANCE = [
    (slots.PRIORITIES["programme"], N_("Programme: waits its turn")),
    (slots.PRIORITIES["notice"], N_("Notice: breaks into programmes")),
    (slots.PRIORITIES["fill"], N_("Filler, such as music: gives way to everything")),
]
AFTER_INTERRUPTION = [
    ("restart", N_("Begin again from the start")),
    ("resume", N_("Go on where it was broken off")),
    ("skip", N_("Leave the rest out")),
]


class SlotForm:
    """What the form sends, as typed."""

    def __init__(
        self,
        programme_id: Annotated[str, Form()] = "",
        name: Annotated[str, Form()] = "",
        local_time: Annotated[str, Form()] = "",
        first_date: Annotated[str, Form()] = "",
        last_date: Annotated[str, Form()] = "",
        make_up_minutes: Annotated[str, Form()] = DEFAULT_MAKE_UP_MINUTES,
        weekdays: Annotated[list[str] | None, Form()] = None,
        villages: Annotated[list[str] | None, Form()] = None,
        priority: Annotated[str, Form()] = str(USUAL_SOUND["priority"]),
        volume_percent: Annotated[str, Form()] = str(USUAL_SOUND["volume_percent"]),
        on_interrupt: Annotated[str, Form()] = str(USUAL_SOUND["on_interrupt"]),
        version: Annotated[int, Form()] = 0,
    ) -> None:
        self.version = version
        self.values: dict[str, Any] = {
            "programme_id": programme_id,
            "name": name,
            "local_time": local_time,
            "first_date": first_date,
            "last_date": last_date,
            "make_up_minutes": make_up_minutes,
            "weekdays": [int(day) for day in weekdays or () if day in "1234567"],
            "villages": villages or [],
            "priority": priority,
            "volume_percent": volume_percent,
            "on_interrupt": on_interrupt,
        }

    def plan(self, zone: str) -> slots.SlotPlan:
        """The plan; raises InvalidInput for what is no time, date or number."""
        typed = self.values
        return slots.SlotPlan(
            programme_id=_whole(typed["programme_id"], "programme_id", _CHOOSE_PROGRAMME),
            local_time=_time(typed["local_time"]),
            zone=zone,
            weekdays=typed["weekdays"],
            first_date=_date(typed["first_date"], "first_date"),
            last_date=_date(typed["last_date"], "last_date"),
            villages=typed["villages"],
            name=typed["name"],
            make_up_minutes=_whole(typed["make_up_minutes"], "make_up_minutes", _MINUTES),
            priority=_whole(typed["priority"], "priority", N_("Choose how important it is.")),
            volume_percent=_whole(typed["volume_percent"], "volume_percent", _VOLUME),
            on_interrupt=typed["on_interrupt"],
        )


_CHOOSE_PROGRAMME = N_("Choose a programme of the list.")
_MINUTES = N_("Give whole minutes, such as 60.")
_VOLUME = N_("The volume is a number from 1 to 100.")
Typed = Annotated[SlotForm, Depends()]


def _whole(text: str, field: str, message: str) -> int:
    if not text.strip().isascii() or not text.strip().isdigit() or len(text) > 9:
        raise InvalidInput(message, field=field)
    return int(text)


def _time(text: str) -> time:
    try:
        return time.fromisoformat(text).replace(microsecond=0, tzinfo=None)
    except ValueError:
        raise InvalidInput(N_("Give a time such as 12:00."), field="local_time") from None


def _date(text: str, field: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(N_("Give a date such as 2026-06-01."), field=field) from None


def _form_page(
    request: Request,
    session: Session,
    actor: Actor,
    *,
    slot: Slot | None,
    values: dict[str, Any],
    version: int,
    error: XiangyinError | None = None,
) -> Response:
    upward = _with_ancestors(session, actor)
    programmes = session.scalars(
        sa.select(Programme).where(Programme.area_code.in_(upward)).order_by(Programme.name)
    ).all()
    villages = areas.villages(session, actor.area_code) if actor.area_code else []
    return render(
        request,
        "calendar/slot_form.html",
        slot=slot,
        version=version,
        values=values,
        error=error,
        programmes=[(each.id, each.name) for each in programmes],
        villages=[(each.code, each.name) for each in villages],
        weekdays=list(enumerate(WEEKDAYS, 1)),
        importance=[(code, i18n.gettext(words)) for code, words in IMPORTANCE],
        after_interruption=[(code, i18n.gettext(words)) for code, words in AFTER_INTERRUPTION],
    )


def _with_ancestors(session: Session, actor: Actor) -> set[str]:
    if actor.area_code is None:
        return set()
    return areas.below(session, actor.area_code) | set(areas.upward(session, actor.area_code))


@router.get("/new")
def new(
    request: Request,
    session: ReadSession,
    services: ServicesDep,
    actor: Editor,
    programme_id: str = "",
) -> Response:
    """An empty form: every day at noon, all villages."""
    today = rundown.local_date_of(utc_now(), services.settings.zone)
    values = {
        **USUAL_SOUND,
        "programme_id": programme_id,
        "local_time": DEFAULT_TIME,
        "first_date": today.isoformat(),
        "last_date": (today + timedelta(days=DEFAULT_DAYS)).isoformat(),
        "make_up_minutes": DEFAULT_MAKE_UP_MINUTES,
        "weekdays": [1, 2, 3, 4, 5, 6, 7],
        "villages": [area.code for area in areas.villages(session, actor.area_code)]
        if actor.area_code
        else [],
    }
    return _form_page(request, session, actor, slot=None, values=values, version=0)


@router.post("")
def create(
    request: Request, session: WriteSession, services: ServicesDep, actor: Editor, typed: Typed
) -> Response:
    """Plan a slot and make its plays at once."""
    with attempt(session) as tried:
        plan = typed.plan(services.settings.zone)
        slot = slots.create(session, actor, plan)
        _plan_now(session, services.settings.play_horizon_days, slot)
    if tried.error:
        return _form_page(
            request,
            session,
            actor,
            slot=None,
            values=typed.values,
            version=0,
            error=tried.error,
        )
    return _back(plan, slot_notices.planned(plan))


@router.get("/{slot_id}")
def edit(request: Request, session: ReadSession, actor: Editor, slot_id: int) -> Response:
    """The form of a slot that exists."""
    slot = slots.get_for_edit(session, actor, slot_id)
    values = {
        "programme_id": slot.programme_id,
        "name": slot.name,
        "local_time": slot.local_time.isoformat("seconds" if slot.local_time.second else "minutes"),
        "first_date": slot.first_date.isoformat(),
        "last_date": slot.last_date.isoformat(),
        "make_up_minutes": slot.make_up_minutes,
        "weekdays": slot.weekdays,
        "villages": slots.villages(session, slot.id),
        **{name: getattr(slot, name) for name in USUAL_SOUND},
    }
    return _form_page(request, session, actor, slot=slot, values=values, version=slot.version)


@router.post("/{slot_id}")
def change(
    request: Request,
    session: WriteSession,
    services: ServicesDep,
    actor: Editor,
    slot_id: int,
    typed: Typed,
) -> Response:
    """Change a slot from now on."""
    slot = slots.get_for_edit(session, actor, slot_id)
    with attempt(session) as tried:
        plan = typed.plan(slot.zone)
        slot = slots.change(session, actor, slot_id, typed.version, plan)
        _plan_now(session, services.settings.play_horizon_days, slot)
    if tried.error:
        return _form_page(
            request,
            session,
            actor,
            slot=session.get_one(Slot, slot_id),
            values=typed.values,
            version=typed.version,
            error=tried.error,
        )
    return _back(plan, slot_notices.changed(session, slot, plan))


@router.post("/{slot_id}/cancel")
def cancel(
    session: WriteSession,
    services: ServicesDep,
    actor: Editor,
    slot_id: int,
    version: Annotated[int, Form()],
) -> Response:
    """End a slot; what lies ahead is cancelled, what has begun is no longer made up."""
    slot = slots.cancel(session, actor, slot_id, version)
    _plan_now(session, services.settings.play_horizon_days, slot)
    return see_other("/calendar", slot_notices.ended(session, slot))


def _plan_now(session: Session, horizon_days: int, slot: Slot) -> None:
    horizon.plan_slot(session, slot.id, utc_now() + timedelta(days=horizon_days))


def _back(plan: slots.SlotPlan, notice: str) -> Response:
    first = rundown.next_start(plan.recurrence, utc_now())
    week = rundown.local_date_of(first or utc_now(), plan.zone)
    return see_other(f"/calendar?week={week}", notice)
