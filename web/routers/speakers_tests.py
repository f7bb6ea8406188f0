"""A test tone: sent to villages, and watched step by step until it is proved or stuck."""

from __future__ import annotations

import secrets
from typing import Annotated

import sqlalchemy as sa
from fastapi import Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from broadcast import override_plays, speakers, test_tone
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, InvalidInput, XiangyinError
from core.models import User
from web.deps import ReadSession, ServicesDep, WriteSession, attempt, require
from web.pages import render, see_other
from web.routing import Router

router = Router(prefix="/speakers/tests")
Tester = Annotated[Actor, Depends(require("speaker.test"))]


@router.get("")
def tone_page(request: Request, session: ReadSession, actor: Tester, village: str = "") -> Response:
    """Choose villages for a test tone; what came of the last ones."""
    return _page(request, session, actor, [village])


@router.post("")
def send(
    request: Request,
    session: WriteSession,
    services: ServicesDep,
    actor: Tester,
    villages: Annotated[list[str] | None, Form()] = None,
    form_token: Annotated[str, Form()] = "",
) -> Response:
    """Send a test tone to villages; it begins in about ten seconds."""
    with attempt(session) as tried:
        test = test_tone.order(session, services.store, actor, villages or [], form_token)
    if isinstance(tried.error, InvalidInput):
        return _page(request, session, actor, villages or [], tried.error)
    if tried.error:
        raise tried.error
    return see_other(f"/speakers/tests/{test.id}", N_("The tone is on its way."))


@router.get("/{test_id}")
def one_tone(request: Request, session: ReadSession, actor: Tester, test_id: int) -> Response:
    """The steps of one test tone, for each player."""
    return _test(request, session, actor, test_id, "speakers/test.html")


@router.get("/{test_id}/steps")
def tone_steps(request: Request, session: ReadSession, actor: Tester, test_id: int) -> Response:
    """The changing part of one test."""
    return _test(request, session, actor, test_id, "speakers/test_steps.html")


def _test(
    request: Request, session: Session, actor: Actor, test_id: int, template: str
) -> Response:
    test = test_tone.get(session, actor, test_id)
    roads = test_tone.roads(session, actor, test)
    proved = sum(road.steps[-1].state == "done" and not _failed(road) for road in roads)
    return render(
        request,
        template,
        test=test,
        roads=roads,
        proved=proved,
        is_over=override_plays.is_over(test) or proved == len(roads),
        ordered_by=session.scalar(
            sa.select(User.display_name).where(User.id == test.created_by_id)
        ),
    )


def _failed(road: test_tone.Road) -> bool:
    return any(step.state == "stuck" for step in road.steps)


def _page(
    request: Request,
    session: Session,
    actor: Actor,
    chosen: list[str],
    error: XiangyinError | None = None,
) -> Response:
    villages = speakers.overview(session, actor) if actor.may("speaker.read") else []
    return render(
        request,
        "speakers/tests.html",
        villages=[village for village in villages if village.boxes],
        chosen=chosen,
        tests=test_tone.newest(session, actor),
        form_token=secrets.token_urlsafe(24),
        now=utc_now(),
        error=error,
    )
