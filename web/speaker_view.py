"""What several pages about loudspeakers share."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from fastapi import Request
from starlette.responses import JSONResponse

from core.settings import Settings
from web.addresses import base_url, bracketed


def enrol_commands(request: Request, settings: Settings) -> dict[str, Any]:
    """``server`` and ``ca_url`` for the commands that are typed on a new player.

    The address this page was opened by, for it is known to work; unless only this machine has it.
    """
    server = settings.public_base_url.rstrip("/") or str(request.base_url).rstrip("/")
    if urlsplit(server).hostname in ("localhost", "127.0.0.1", "::1"):
        server = base_url(settings)
    own_ca = settings.web_tls == "own-ca"
    host = bracketed(urlsplit(server).hostname or "")
    ca_url = f"http://{host}:{settings.guide_port}/ca.pem" if own_ca else None
    return {"server": server, "ca_url": ca_url}


def geojson(found: dict[str, Any]) -> JSONResponse:
    """The answer with a map of villages."""
    headers = {"cache-control": "private, no-cache"}
    return JSONResponse(found, media_type="application/geo+json", headers=headers)
