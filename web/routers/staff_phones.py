"""Telephones of people who work here, and the PIN with which they prove who they are on one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from core.auth import Actor, actor_of
from core.clock import utc_now
from core.errors import N_
from core.models import User
from core.sealed import Sealer
from desk import people
from hotline import phone_book
from web import hotline_view
from web.deps import CurrentActor, ReadSession, ServicesDep, WriteSession, attempt, require
from web.pages import render, see_other
from web.routing import Router

router = Router()
Administrator = Annotated[Actor, Depends(require("people.edit"))]


def fields(session: Session, sealer: Sealer, user: User) -> dict[str, Any]:
    """What the part about a person's telephone shows; the number is masked."""
    row = phone_book.staff_phone(session, user.id)
    who = actor_of(user)
    locked = row is not None and row.locked_until is not None and row.locked_until > utc_now()
    return {
        "phone": row,
        "phone_masked": hotline_view.masked(sealer, row.number_sealed if row else None),
        "phone_locked": locked,
        "keys_pin": any(map(who.may, ("episode.record", "quiet.order", "live.speak"))),
        "programmes": [(one.id, one.name) for one in phone_book.programmes_for(session, user)]
        if who.may("episode.record")
        else [],
    }


@router.get("/people/{user_id}/phone")
def person_page(
    request: Request, user_id: int, session: ReadSession, services: ServicesDep,
    actor: Administrator,
) -> Response:  # fmt: skip
    """One person's telephone, staff number and PIN."""
    user = people.person(session, actor, user_id)
    return render(request, "people/phone.html", user=user, **fields(session, services.sealer, user))


@router.post("/people/{user_id}/phone")
def store_of(
    request: Request, user_id: int, session: WriteSession, services: ServicesDep,
    actor: Administrator,
    number: Annotated[str, Form(max_length=40)] = "",
    forget: Annotated[str, Form(max_length=1)] = "",
    programme_id: Annotated[str, Form(max_length=12)] = "",
) -> Response:  # fmt: skip
    """Store or forget the telephone; choose the programme recorded by telephone."""
    user = people.person(session, actor, user_id)
    with attempt(session) as tried:
        if number.strip() or forget:
            typed = "" if forget else number
            settings, sealer = services.settings, services.sealer
            phone_book.set_staff_number(session, settings, sealer, actor, user, typed)
        if not forget:
            chosen = int(programme_id) if programme_id.isdecimal() else None
            row = phone_book.staff_phone(session, user.id)
            if chosen != (row.programme_id if row else None):
                phone_book.set_programme(session, actor, user, chosen)
    if tried.error:
        return render(
            request, "people/phone.html", user=user, error=tried.error,
            values={"number": number, "programme_id": programme_id},
            **fields(session, services.sealer, user),
        )  # fmt: skip
    return see_other(f"/people/{user_id}/phone", N_("Stored."))


@router.post("/people/{user_id}/pin")
def new_pin(
    request: Request, user_id: int, session: WriteSession, actor: Administrator
) -> Response:
    """A staff number and a new PIN, shown once."""
    user = people.person(session, actor, user_id)
    staff_no, pin = phone_book.new_pin(session, actor, user)
    return render(request, "people/pin.html", user=user, staff_no=staff_no, pin=pin)


@router.post("/people/{user_id}/pin/remove")
def remove_pin(user_id: int, session: WriteSession, actor: Administrator) -> Response:
    """Nobody gets in by telephone as this person any more."""
    phone_book.remove_pin(session, actor, people.person(session, actor, user_id))
    return see_other(f"/people/{user_id}/phone", N_("The PIN counts no longer."))


@router.get("/phone")
def own_page(
    request: Request, session: ReadSession, services: ServicesDep, actor: CurrentActor
) -> Response:
    """The telephone on which the hotline rings oneself."""
    user = session.get_one(User, actor.id)
    return render(request, "people/own_phone.html", **fields(session, services.sealer, user))


@router.post("/phone")
def store_own(
    request: Request, session: WriteSession, services: ServicesDep, actor: CurrentActor,
    number: Annotated[str, Form(max_length=40)] = "",
    forget: Annotated[str, Form(max_length=1)] = "",
) -> Response:  # fmt: skip
    """Store or forget the own telephone."""
    user, settings = session.get_one(User, actor.id), services.settings
    with attempt(session) as tried:
        if not forget:
            phone_book.require_dialable(phone_book.plain_number(number, settings), settings)
        typed = "" if forget else number
        phone_book.set_staff_number(session, settings, services.sealer, actor, user, typed)
    if tried.error:
        return render(
            request, "people/own_phone.html", error=tried.error, values={"number": number},
            **fields(session, services.sealer, user),
        )  # fmt: skip
    return see_other("/phone", N_("Stored."))
