"""Live addresses as village players hear them; docs/player-protocol.md has the form."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel, Field
from starlette.responses import Response, StreamingResponse

from broadcast import health_view, live
from web import live_elsewhere
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
) -> Response:
    """Speech as it is said, until somebody ends it; 404 once it is over, 503 where another process
    carries it.
    """
    live.joins(session, player, session_id)
    channel = services.live.get(session_id)
    if channel is None:
        return live_elsewhere.try_again()
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
    goes_to_a_file = health_view.has_no_card(player.health)
    first_sound_at = None if goes_to_a_file else told.first_sound_at
    live.heard(session, player, session_id, first_sound_at, told.lost_ms, told.cause)
    channel = services.live.get(session_id)
    if channel is not None:
        channel.heard(player.id, first_sound_at, told.lost_ms)
    return {"ok": True}
