"""The raw body of a request, read no further than it may be long."""

from __future__ import annotations

from fastapi import Request

from core.errors import XiangyinError


class TooLarge(XiangyinError):
    """More bytes than the address takes."""

    code = "too_large"
    http_status = 413


async def read_body(request: Request, most_bytes: int, too_long: Exception) -> bytes:
    """The whole body; raises ``too_long`` as soon as more than ``most_bytes`` have come."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most_bytes:
            raise too_long
    return bytes(body)
