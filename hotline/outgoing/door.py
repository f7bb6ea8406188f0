"""The socket over which the web process hands orders to telephony; one line each way.

An order is {"order_id", "expires_at", "legs": [{"who", "number", "name"}, …]}: who works here
first, then the resident. The answer is {"ok": true} (it is written down and begun) or
{"ok": false, "error": known | limit | no_trunk | expired | busy | "not understood"}.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from core.settings import Settings
from hotline.sip import wire

LINE_LIMIT_BYTES = 8192
LINE_WITHIN_S = 2.0
ANSWER_WITHIN_S = 10.0
Answerer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


def socket_path(settings: Settings) -> Path:
    """Where telephony listens for orders."""
    return settings.socket_folder() / "orders.sock"


def refused(error: str) -> dict[str, Any]:
    return {"ok": False, "error": error}


async def serve(settings: Settings, answer: Answerer) -> None:
    """Listen until cancelled; only our own user may connect."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError, TimeoutError, asyncio.LimitOverrunError):
            async with asyncio.timeout(LINE_WITHIN_S):
                line = await reader.readline()
            writer.write(json.dumps(await _answer(line, answer)).encode() + b"\n")
            await writer.drain()
        writer.close()

    path = socket_path(settings)
    server = await asyncio.start_unix_server(take, sock=wire.listen(path), limit=LINE_LIMIT_BYTES)
    try:
        await server.serve_forever()
    finally:
        path.unlink(missing_ok=True)


async def _answer(line: bytes, answer: Answerer) -> dict[str, Any]:
    try:
        order = json.loads(line)
    except ValueError:
        return refused("not understood")
    return await answer(order) if isinstance(order, dict) else refused("not understood")


def send(settings: Settings, order: dict[str, Any]) -> dict[str, Any] | None:
    """Hand an order over; None when telephony is away or does not answer."""
    line = json.dumps(order, ensure_ascii=False).encode() + b"\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line_out:
            line_out.settimeout(ANSWER_WITHIN_S)
            line_out.connect(str(socket_path(settings)))
            line_out.sendall(line)
            with line_out.makefile("rb") as answers:
                answer = json.loads(answers.readline(LINE_LIMIT_BYTES))
    except (OSError, ValueError):
        return None
    return answer if isinstance(answer, dict) else None
