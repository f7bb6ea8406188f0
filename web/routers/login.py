"""Logging in, logging out, changing the password."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request
from starlette.responses import Response

from core import audit, auth
from core.errors import N_, InvalidInput
from core.models import User
from web.deps import CurrentActor, MaybeActor, SecurityDep, ServicesDep, WriteSession, attempt
from web.pages import render, see_other
from web.routing import Router

router = Router()


class WrongLogin(InvalidInput):
    """Name or password do not fit; which of them is not told."""

    def __init__(self) -> None:
        super().__init__(
            N_(
                "Name or password is wrong. After %(tries)d wrong tries an account rests for "
                "%(minutes)d minutes."
            ),
            params={"tries": auth.LOCK_AFTER, "minutes": auth.LOCK_FOR.total_seconds() // 60},
        )


def _inside(address: str) -> str:
    """Only addresses of this site are led to after the login."""
    is_path = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if is_path and address.isprintable() else "/"


@router.get("/login")
def login_page(request: Request, actor: MaybeActor, next: str = "/") -> Response:
    """The login form."""
    if actor is not None:
        return see_other(_inside(next))
    return render(request, "web/login.html", next=_inside(next))


@router.post("/login")
def log_in(
    request: Request,
    services: ServicesDep,
    security: SecurityDep,
    login: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    next: Annotated[str, Form()] = "/",
) -> Response:
    """Check name and password; a wrong try is counted and committed like a right one."""
    with services.database.write() as session:
        token = auth.log_in(session, login, password)
    if token is None:
        return render(
            request,
            "web/login.html",
            error=WrongLogin(),
            values={"login": login},
            next=_inside(next),
        )
    response = see_other(_inside(next))
    security.log_in(response, token)
    return response


@router.post("/logout")
def log_out(request: Request, session: WriteSession, security: SecurityDep) -> Response:
    """End the session on the server and in the browser."""
    token = security.session_token(request)
    if token:
        auth.log_out(session, token)
    response = see_other("/login", N_("You are logged out."))
    security.log_out(response)
    return response


@router.get("/password")
def password_page(request: Request, actor: CurrentActor) -> Response:
    """The form for a new password."""
    return render(request, "web/password.html", must=request.state.password_must_change)


@router.post("/password")
def change_password(
    request: Request,
    session: WriteSession,
    actor: CurrentActor,
    security: SecurityDep,
    old: Annotated[str, Form(max_length=1000)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    repeated: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Set a new password; all other sessions of the person end."""
    user = session.get_one(User, actor.id)
    with attempt(session) as tried:
        if not auth.password_fits(user, old):
            raise InvalidInput(N_("The present password is wrong."), field="old")
        if password != repeated:
            raise InvalidInput(N_("The two new passwords differ."), field="repeated")
        auth.set_password(user, password)
        auth.end_sessions(session, user.id, except_token=security.session_token(request))
        audit.record(session, actor.login, "password.changed", f"user:{user.id}")
    if tried.error:
        must = request.state.password_must_change
        return render(request, "web/password.html", error=tried.error, must=must)
    return see_other("/", N_("Your password is changed."))
