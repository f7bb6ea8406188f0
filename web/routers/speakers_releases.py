"""Programs for players: upload a wheel, choose who gets it, see who runs what."""

from __future__ import annotations

from typing import Annotated

import sqlalchemy as sa
from fastapi import Depends, File, Form, Request, UploadFile
from sqlalchemy.orm import Session
from starlette.responses import Response

from broadcast import releases
from broadcast.models import Player, PlayerCommand
from core.auth import Actor
from core.errors import N_, Conflict, InvalidInput, XiangyinError
from core.models import Area
from web.deps import ReadSession, ServicesDep, WriteSession, attempt, require
from web.pages import render, see_other
from web.routing import Router

router = Router(prefix="/speakers/releases")
Editor = Annotated[Actor, Depends(require("speaker.edit"))]


@router.get("")
def releases_page(request: Request, session: ReadSession, actor: Editor) -> Response:
    """Programs that are there, and which player runs which."""
    return _page(request, session, actor)


@router.post("")
def add_release(
    request: Request,
    session: WriteSession,
    services: ServicesDep,
    actor: Editor,
    wheel: Annotated[UploadFile, File()],
) -> Response:
    """Check, sign and keep a wheel of the player."""
    data = wheel.file.read(releases.MAX_BYTES + 1)
    with attempt(session) as tried:
        releases.add(session, services.store, services.signer, actor, data)
    if tried.error:
        return _page(request, session, actor, tried.error)
    return see_other("/speakers/releases", N_("The program is there. Choose who gets it."))


@router.post("/{version}/roll-out")
def roll_out(
    request: Request,
    session: WriteSession,
    services: ServicesDep,
    actor: Editor,
    version: str,
    player_ids: Annotated[list[str] | None, Form()] = None,
    downgrade: Annotated[str, Form()] = "",
) -> Response:
    """Ask the chosen players to change to a program."""
    with attempt(session) as tried:
        if not player_ids:
            raise InvalidInput(N_("Choose at least one player."), field="player_ids")
        releases.roll_out(
            session, services.signer, actor, version, player_ids, allow_downgrade=bool(downgrade)
        )
    if isinstance(tried.error, InvalidInput | Conflict):
        return _page(request, session, actor, tried.error, player_ids)
    if tried.error:
        raise tried.error
    return see_other(
        "/speakers/releases", N_("The players are asked; each goes back when it does not work.")
    )


@router.post("/{version}/withdraw")
def withdraw(session: WriteSession, actor: Editor, version: str) -> Response:
    """Offer a program no more."""
    releases.withdraw(session, actor, version)
    return see_other("/speakers/releases", N_("It is offered no more."))


def _page(
    request: Request,
    session: Session,
    actor: Actor,
    error: XiangyinError | None = None,
    chosen: list[str] | None = None,
) -> Response:
    own = actor.reach(session)
    players = session.execute(
        sa.select(Player, Area.name)
        .join(Area, Area.code == Player.area_code)
        .where(Player.area_code.in_(own), Player.revoked_at.is_(None))
        .order_by(Player.area_code, Player.enrolled_at)
    ).all()
    asked = sa.select(sa.func.max(PlayerCommand.created_at).label("at"), PlayerCommand.player_id)
    asked = asked.where(PlayerCommand.kind == "update").group_by(PlayerCommand.player_id)
    newest = asked.subquery()
    updates = session.scalars(
        sa.select(PlayerCommand)
        .join(
            newest,
            sa.and_(
                newest.c.player_id == PlayerCommand.player_id,
                newest.c.at == PlayerCommand.created_at,
            ),
        )
        .where(PlayerCommand.kind == "update")
    )
    return render(
        request,
        "speakers/releases.html",
        releases=releases.offered(session),
        players=players,
        updates={update.player_id: update for update in updates},
        may_keep=releases.may_keep(session, actor),
        chosen=chosen or [],
        error=error,
    )
