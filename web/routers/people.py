"""People who may log in (administrators)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from core import auth
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, XiangyinError
from core.models import Area
from desk import people
from web import i18n
from web.deps import ReadSession, WriteSession, attempt, require
from web.pages import LEVEL_NAMES, ROLE_NAMES, Nav, render, see_other
from web.routers import review_dialects
from web.routing import Router

router = Router()
NAV = [Nav(80, "/people", N_("People"), "people.edit")]
Administrator = Annotated[Actor, Depends(require("people.edit"))]


def area_options(session: Session, actor: Actor) -> list[tuple[str, str]]:
    """Areas the administrator may choose, as (code, "name (level)"), by code."""
    own = people.own_area_codes(session, actor)
    found = session.query(Area).order_by(Area.code)
    return [
        (area.code, f"{area.name}（{_level(area)}）")
        for area in found
        if own is None or area.code in own
    ]


def _level(area: Area) -> str:
    return i18n.gettext(LEVEL_NAMES[area.level])


def _role_options() -> list[tuple[str, str]]:
    return [(role, i18n.gettext(ROLE_NAMES[role])) for role in auth.ROLES]


def _list(
    request: Request,
    session: Session,
    actor: Actor,
    *,
    error: XiangyinError | None = None,
    values: dict[str, Any] | None = None,
) -> Response:
    return render(
        request,
        "people/list.html",
        people=people.everybody(session, actor),
        area_names={area.code: area.name for area in session.query(Area)},
        area_options=area_options(session, actor),
        role_options=_role_options(),
        now=utc_now(),
        error=error,
        values=values or {},
    )


@router.get("/people")
def people_page(request: Request, session: ReadSession, actor: Administrator) -> Response:
    """Everybody of the own area, and a form for a new person."""
    return _list(request, session, actor)


@router.post("/people")
def add(
    request: Request,
    session: WriteSession,
    actor: Administrator,
    login: Annotated[str, Form()] = "",
    display_name: Annotated[str, Form()] = "",
    area_code: Annotated[str, Form()] = "",
    roles: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Let a person in; the first password is shown once."""
    with attempt(session) as tried:
        user, password = people.add(
            session, actor, login, display_name, roles or [], area_code or None
        )
    if tried.error:
        typed = {
            "login": login,
            "display_name": display_name,
            "area_code": area_code,
            "roles": roles or [],
        }
        return _list(request, session, actor, error=tried.error, values=typed)
    return render(request, "people/password.html", user=user, password=password, is_new=True)


def _person_page(
    request: Request,
    session: Session,
    actor: Actor,
    user_id: int,
    *,
    error: XiangyinError | None = None,
    values: dict[str, Any] | None = None,
) -> Response:
    user = people.person(session, actor, user_id)
    present = {
        "display_name": user.display_name,
        "area_code": user.area_code or "",
        "roles": user.roles,
    }
    return render(
        request,
        "people/person.html",
        user=user,
        area_options=area_options(session, actor),
        role_options=_role_options(),
        now=utc_now(),
        error=error,
        values=values or present,
        **review_dialects.fields(user.dialects or []),
    )


@router.get("/people/{user_id}")
def person_page(
    request: Request, user_id: int, session: ReadSession, actor: Administrator
) -> Response:
    """One person: roles, area, password, shut out."""
    return _person_page(request, session, actor, user_id)


@router.post("/people/{user_id}")
def change(
    request: Request,
    user_id: int,
    session: WriteSession,
    actor: Administrator,
    display_name: Annotated[str, Form()] = "",
    area_code: Annotated[str, Form()] = "",
    roles: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Give other roles or another area."""
    user = people.person(session, actor, user_id)
    with attempt(session) as tried:
        people.change(session, actor, user, display_name, roles or [], area_code or None)
    if tried.error:
        typed = {"display_name": display_name, "area_code": area_code, "roles": roles or []}
        return _person_page(request, session, actor, user_id, error=tried.error, values=typed)
    return see_other("/people", N_("Stored."))


@router.post("/people/{user_id}/password")
def reset_password(
    request: Request, user_id: int, session: WriteSession, actor: Administrator
) -> Response:
    """A new first password, shown once."""
    user = people.person(session, actor, user_id)
    password = people.reset_password(session, actor, user)
    return render(request, "people/password.html", user=user, password=password, is_new=False)


@router.post("/people/{user_id}/active")
def set_active(
    user_id: int,
    session: WriteSession,
    actor: Administrator,
    active: Annotated[bool, Form()] = False,
) -> Response:
    """Shut a person out or let them in again."""
    people.set_active(session, actor, people.person(session, actor, user_id), active)
    return see_other("/people", N_("Stored."))
