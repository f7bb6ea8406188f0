"""Which dialects people understand: everybody says it of themselves, administrators of others."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import Form, Request
from starlette.responses import Response

from cases import access, dialects
from core.auth import Actor
from core.errors import N_, Forbidden
from web.deps import CurrentActor, ReadSession, WriteSession, attempt
from web.pages import render, see_other
from web.routing import Router

router = Router()
_COMMA = re.compile("[,，、;；\n]")


def _reviewer(actor: CurrentActor) -> Actor:
    if not (actor.may("report.review") or access.keeps_secrets(actor)):
        raise Forbidden(N_("Your role does not allow this. Ask your administrator."))
    return actor


def named(chosen: list[str] | None, others: str) -> list[str]:
    """The ticked names and those typed with commas between them."""
    return [*(chosen or []), *_COMMA.split(others)]


@router.get("/dialects")
def own_page(request: Request, session: ReadSession, actor: CurrentActor) -> Response:
    """The dialects the person understands."""
    known = dialects.known_to(session, _reviewer(actor).id)
    return render(request, "review/dialects.html", **fields(known))


def fields(known: list[str]) -> dict[str, Any]:
    """What the form of dialects shows."""
    return {
        "dialect_options": [(name, name) for name in dialects.DIALECTS if name != dialects.PLAIN],
        "known": known,
        "other_dialects": "、".join(name for name in known if name not in dialects.DIALECTS),
    }


@router.post("/dialects")
def store_own(
    request: Request,
    session: WriteSession,
    actor: CurrentActor,
    chosen: Annotated[list[str] | None, Form(alias="dialects")] = None,
    others: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Store the dialects the person understands."""
    names = named(chosen, others)
    with attempt(session) as tried:
        dialects.set_known(session, _reviewer(actor), actor.id, names)
    if tried.error:
        return render(request, "review/dialects.html", error=tried.error, **fields(names))
    return see_other("/reports", N_("Stored. Reports in these dialects come to you."))


@router.post("/people/{user_id}/dialects")
def store_of(
    user_id: int,
    session: WriteSession,
    actor: CurrentActor,
    chosen: Annotated[list[str] | None, Form(alias="dialects")] = None,
    others: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Say for somebody of the own area which dialects they understand."""
    actor.require("people.edit")
    dialects.set_known(session, actor, user_id, named(chosen, others))
    return see_other(f"/people/{user_id}", N_("Stored."))
