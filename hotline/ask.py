"""Telephony's questions to the web process, over a local socket, with a limit of one second.

Nobody may answer (a migration, a restart): the caller then hears a spoken fallback, never silence.
One question is one line of JSON, one answer another.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from core.settings import Settings

ANSWER_LIMIT_S = 1.0
LINE_LIMIT_BYTES = 65_536


def socket_path(settings: Settings) -> Path:
    """Where the office listens."""
    return settings.socket_folder() / "office.sock"


async def ask(
    settings: Settings, question: str, *, limit_s: float = ANSWER_LIMIT_S, **details: object
) -> dict[str, Any] | None:
    """The office's answer, or None when it is away, slow, or does not understand."""
    line = json.dumps({"question": question, **details}, ensure_ascii=False).encode() + b"\n"
    try:
        async with asyncio.timeout(limit_s):
            answer = await _exchange(socket_path(settings), line)
    except (OSError, ValueError, TimeoutError):
        return None
    return answer if isinstance(answer, dict) and answer.get("ok") is True else None


async def _exchange(path: Path, line: bytes) -> Any:
    reader, writer = await asyncio.open_unix_connection(str(path), limit=LINE_LIMIT_BYTES)
    try:
        writer.write(line)
        await writer.drain()
        return json.loads(await reader.readline())
    finally:
        writer.close()
