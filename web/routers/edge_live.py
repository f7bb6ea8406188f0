"""Live addresses as village players hear them; docs/player-protocol.md has the form."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel, Field
from starlette.responses import StreamingResponse

from broadcast import live
from core.errors import N_, NotFound
from web.deps import ReadSession, ServicesDep, WriteSession
from web.routers.edge_api import CurrentPlayer
from web.routing import Router

router = Router(prefix="/edge/v1/live")
MEDIA_TYPE = "application/octet-stream"
LONGEST_LOSS_MS = 2 * 3_600_000


class Heard(BaseModel):
    """What a player tells of its horn."""

    first_sound_at: AwareDatetime | None = None
    lost_ms: int = Field(0, ge=0, le=LONGEST_LOSS_MS)
    cause: str | None = Field(None, max_length=20)


@router.get("/{session_id}")
def listen(
    session_id: str, session: ReadSession, services: ServicesDep, player: CurrentPlayer
) -> StreamingResponse:
    """Speech as it is said, until somebody ends it."""
    live.joins(session, player, session_id)
    channel = services.live.get(session_id)
    if channel is None:
        raise NotFound(N_("There is no such live address."))
    return StreamingResponse(
        channel.listen(player.id),
        media_type=MEDIA_TYPE,
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


@router.post("/{session_id}/heard")
def heard(
    session_id: str,
    session: WriteSession,
    services: ServicesDep,
    player: CurrentPlayer,
    told: Heard,
) -> dict[str, bool]:
    """Keep when the first word left the horn, and how much was lost."""
    live.heard(session, player, session_id, told.first_sound_at, told.lost_ms, told.cause)
    channel = services.live.get(session_id)
    if channel is not None:
        channel.heard(player.id, told.first_sound_at, told.lost_ms)
    return {"ok": True}
