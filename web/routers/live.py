"""The stream of news for open pages."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.responses import PlainTextResponse, Response, StreamingResponse

from web.deps import CurrentActor, ServicesDep
from web.routing import Router

router = Router()
MAX_KINDS = 30


@router.get("/live")
async def live(services: ServicesDep, actor: CurrentActor, kinds: str = "") -> Response:
    """Server-Sent Events: "news" with the kind of news as data; comments keep it alive."""
    wanted = frozenset(kind for kind in kinds.split(",")[:MAX_KINDS] if kind)

    async def stream() -> AsyncIterator[str]:
        async with services.hub.listen(wanted) as listener:
            async for message in listener.messages():
                yield message

    return StreamingResponse(
        stream(),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


@router.get("/live/check")
def check(actor: CurrentActor) -> Response:
    """Whether the session still counts: asked when a stream ended for no visible reason."""
    return PlainTextResponse("ok", headers={"cache-control": "no-store"})
