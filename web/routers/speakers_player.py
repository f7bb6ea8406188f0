"""One player: how it is, what became of it, how loud it is; letting it in and shutting it out."""

from __future__ import annotations

import csv
import io
from typing import Annotated, Any

from fastapi import Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from broadcast import clones, health_view, player_history, players, speakers, volumes
from core import areas
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, XiangyinError
from web.deps import ReadSession, Services, ServicesDep, WriteSession, attempt, require
from web.pages import render, see_other
from web.quality_view import harmless
from web.routing import Router

router = Router(prefix="/speakers/players")
Reader = Annotated[Actor, Depends(require("speaker.read"))]
Editor = Annotated[Actor, Depends(require("speaker.edit"))]
Tuner = Annotated[Actor, Depends(require("speaker.volume"))]
COLUMNS = (
    "seq", "play_id", "outcome", "reason", "scheduled_at", "started_at", "ended_at",
    "start_error_ms", "clip_sha256", "received_at", "previous_hash", "body", "hash", "signature",
)  # fmt: skip
"""Of the receipts for auditors; the chain can be verified from them alone."""


@router.get("/{player_id}")
def player_page(
    request: Request, session: ReadSession, services: ServicesDep, actor: Reader, player_id: str
) -> Response:
    """One player with its health, its last 30 days and its history."""
    return _page(request, session, services, actor, player_id)


@router.get("/{player_id}/state")
def state(
    request: Request, session: ReadSession, services: ServicesDep, actor: Reader, player_id: str
) -> Response:
    """The changing part of the page."""
    known = _context(session, services, actor, player_id)
    return render(request, "speakers/player_state.html", **known)


def _context(session: Session, services: Services, actor: Actor, player_id: str) -> dict[str, Any]:
    box = speakers.of_player(session, actor, player_id)
    player = box.player
    return {
        "box": box,
        "player": player,
        "village": areas.get(session, player.area_code),
        "facts": health_view.facts(player.health),
        "days": player_history.days(session, player, services.settings.zone),
        "lines": player_history.lines(session, player),
        "remedies": health_view.remedies(box.problems),
        "now": utc_now(),
    }


def _page(
    request: Request,
    session: Session,
    services: Services,
    actor: Actor,
    player_id: str,
    *,
    error: XiangyinError | None = None,
    values: dict[str, Any] | None = None,
) -> Response:
    known = _context(session, services, actor, player_id)
    player = known["player"]
    typed = {"name": player.name, "volume_percent": player.volume_percent} | (values or {})
    return render(request, "speakers/player.html", error=error, values=typed, **known)


@router.post("/{player_id}/approve")
def approve(session: WriteSession, actor: Editor, player_id: str) -> Response:
    """Say yes to a player that came in with a code."""
    players.approve(session, actor, player_id)
    return see_other(
        f"/speakers/players/{player_id}", N_("The player is approved and gets its plays.")
    )


@router.post("/{player_id}/revoke")
def revoke(session: WriteSession, actor: Editor, player_id: str) -> Response:
    """Shut a player out, or refuse one that waits for approval."""
    players.revoke(session, actor, player_id)
    return see_other("/speakers", N_("The player is shut out. Give it a new code to let it in."))


@router.post("/{player_id}/single")
def single(session: WriteSession, actor: Editor, player_id: str) -> Response:
    """Say that only one box uses the key again."""
    clones.settle(session, actor, player_id)
    return see_other(f"/speakers/players/{player_id}", N_("It counts as one box again."))


@router.post("/{player_id}/rename")
def rename(
    request: Request,
    session: WriteSession,
    services: ServicesDep,
    actor: Editor,
    player_id: str,
    name: Annotated[str, Form()] = "",
) -> Response:
    """Give a player another name."""
    with attempt(session) as tried:
        speakers.rename(session, actor, player_id, name)
    if tried.error:
        return _again(request, session, services, actor, player_id, tried.error, {"name": name})
    return see_other(f"/speakers/players/{player_id}", N_("It is changed."))


@router.post("/{player_id}/volume")
def set_volume(
    request: Request,
    session: WriteSession,
    services: ServicesDep,
    actor: Tuner,
    player_id: str,
    volume_percent: Annotated[str, Form()] = "",
) -> Response:
    """Set how loud this player is."""
    with attempt(session) as tried:
        volumes.set_of_player(session, actor, player_id, volume_percent)
    if tried.error:
        typed = {"volume_percent": volume_percent}
        return _again(request, session, services, actor, player_id, tried.error, typed)
    return see_other(
        f"/speakers/players/{player_id}", N_("The volume is on its way to the player.")
    )


def _again(
    request: Request,
    session: Session,
    services: Services,
    actor: Actor,
    player_id: str,
    error: XiangyinError,
    typed: dict[str, Any],
) -> Response:
    """The page with the error beside its field; what is not about a field is not there at all."""
    if error.field is None:
        raise error
    return _page(request, session, services, actor, player_id, error=error, values=typed)


@router.get("/{player_id}/receipts.csv")
def receipts(services: ServicesDep, actor: Reader, player_id: str) -> Response:
    """All receipts of a player as CSV for auditors, with hashes and signatures."""
    out = io.StringIO()
    writer = csv.writer(out)
    with services.database.write() as session:
        box = speakers.of_player(session, actor, player_id)
        writer.writerow(["player_id", "public_key"])
        writer.writerow([box.player.id, box.player.public_key])
        writer.writerow(COLUMNS)
        for told, receipt in player_history.receipts_for_audit(session, actor, box.player):
            row = ((name, getattr(receipt, name, told.get(name))) for name in COLUMNS)
            writer.writerow([_cell(name, value) for name, value in row])
    return Response(
        "\ufeff" + out.getvalue(),
        media_type="text/csv; charset=utf-8",
        headers={
            "content-disposition": f'attachment; filename="receipts-{player_id}.csv"',
            "cache-control": "no-store",
        },
    )


def _cell(name: str, value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, str) and name != "signature":  # verified base64; a mark would break it
        return harmless(value)
    return value
