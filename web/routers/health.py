"""Health for monitors: no login, no names, no numbers of people."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from web import health
from web.deps import ServicesDep
from web.routing import Router

router = Router()


@router.get("/healthz")
def healthz(services: ServicesDep) -> Response:
    """200 when all is well, 503 with ``problems`` when somebody has to look."""
    found = health.look(services)
    return JSONResponse(
        found.as_json(), 503 if found.problems else 200, {"cache-control": "no-store"}
    )
