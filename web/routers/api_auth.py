"""Tokens for programs that call the API on behalf of a person."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Form, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from core import audit, auth
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, InvalidInput, NotFound, XiangyinError
from core.models import ApiToken, User
from web.deps import CurrentActor, ReadSession, WriteSession, attempt
from web.pages import render, see_other
from web.routing import Router

router = Router()
MAX_NAME = 80


@router.get("/api/v1/me")
def me(actor: CurrentActor) -> dict[str, Any]:
    """Who the token or cookie stands for, and what it may do."""
    return {
        "id": actor.id,
        "login": actor.login,
        "display_name": actor.display_name,
        "roles": sorted(actor.roles),
        "area_code": actor.area_code,
        "rights": sorted(right for right in auth.RIGHTS if actor.may(right)),
    }


def _page(
    request: Request,
    session: Session,
    actor: Actor,
    *,
    made: str | None = None,
    error: XiangyinError | None = None,
    values: dict[str, Any] | None = None,
) -> Response:
    tokens = session.scalars(
        sa.select(ApiToken)
        .where(ApiToken.user_id == actor.id, ApiToken.revoked_at.is_(None))
        .order_by(ApiToken.id)
    ).all()
    return render(
        request, "web/tokens.html", tokens=tokens, made=made, error=error, values=values or {}
    )


@router.get("/tokens")
def tokens_page(request: Request, session: ReadSession, actor: CurrentActor) -> Response:
    """The person's own tokens."""
    return _page(request, session, actor)


@router.post("/tokens")
def create(
    request: Request,
    session: WriteSession,
    actor: CurrentActor,
    name: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Make a token; it is shown this once."""
    made = None
    with attempt(session) as tried:
        if not name.strip() or len(name.strip()) > MAX_NAME:
            raise InvalidInput(N_("Name the program that will use the token."), field="name")
        made = auth.issue_token(session, session.get_one(User, actor.id), name.strip())
        audit.record(session, actor.login, "token.issued", f"user:{actor.id}", name=name.strip())
    return _page(request, session, actor, made=made, error=tried.error, values={"name": name})


@router.post("/tokens/{token_id}/revoke")
def revoke(token_id: int, session: WriteSession, actor: CurrentActor) -> Response:
    """Make a token worthless at once."""
    token = session.get(ApiToken, token_id)
    if token is None or token.user_id != actor.id:
        raise NotFound(N_("There is no such thing here."))
    token.revoked_at = token.revoked_at or utc_now()
    audit.record(session, actor.login, "token.revoked", f"user:{actor.id}", name=token.name)
    return see_other("/tokens", N_("The token is revoked."))
