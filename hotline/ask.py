"""Telephony's questions to the web process, over a local socket, with a limit of one second.

Who has keyed a number waits up to four: on a busy machine a checked PIN is worth a moment.
Nobody may answer (a migration, a restart): the caller then hears a spoken fallback, never silence.
One question is one line of JSON, one answer another ({"ok": true, …} or {"ok": false, "error": …}).
Each says ``answer_by``: what cannot be changed until then is not changed (``hotline.in_time``).

| question | details | answer |
|---|---|---|
| ping | | |
| references | | left |
| village_of | caller | village_code (of the caller's last report) or null |
| status | reference, pin or "", caller, call_id, counted | found, locked; state and what follows |
| not_satisfied | reference, pin or "", caller, call_id | done, outcome |
| staff | staff_no, pin, caller, purpose | found, locked; user_id and what follows |
| quiet | user_id, hours (0: lift, 12: until the next 06:00), call_id | done, until |

What follows ``user_id``, by purpose: programme_id and programme (its name) for studio,
village_code and quiet_until for quiet, villages and quiet (lists of village codes: to be spoken
to, and those of them under quiet) for live. What follows ``state``: status, due, reply,
may_reopen, decided, refusal. ``state`` and ``status`` are codes of cases.lifecycle (status null:
no case yet), ``due`` a local date "2026-12-01" or null, ``reply`` the path of a sound telephony
can play or null, ``refusal`` one of hotline.refusals.Telling, null when there is none. An
unknown reference and a wrong PIN are both ``found`` false. ``counted``: this call has just asked
for the same reference without its PIN, so both are one try. ``until`` and
``quiet_until`` are instants (ISO 8601, UTC) or null. ``may_reopen``: saying "not satisfied" leads
somewhere, be it a reminder. ``decided``: there is a result or a refusal to object to.
``done`` of not_satisfied is false when it was closed more than 30 days ago. ``outcome``: one of
cases.residents.Outcome.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from core.settings import Settings

ANSWER_LIMIT_S = 1.0
KEYED_ANSWER_LIMIT_S = 4.0
"""Less than the dialogue waits, ``limits.ANSWER_LIMIT_S``."""
KEYED = frozenset({"status", "not_satisfied", "staff", "quiet"})
LINE_LIMIT_BYTES = 65_536
ANSWER_BY = "answer_by"
"""A detail of each question: ``time.monotonic()``, which all processes of a machine share."""


def socket_path(settings: Settings) -> Path:
    """Where the office listens."""
    return settings.socket_folder() / "office.sock"


async def ask(
    settings: Settings, question: str, *, limit_s: float | None = None, **details: object
) -> dict[str, Any] | None:
    """The office's answer, or None when it is away, slow, or does not understand."""
    if limit_s is None:
        limit_s = KEYED_ANSWER_LIMIT_S if question in KEYED else ANSWER_LIMIT_S
    asked = {"question": question, **details, ANSWER_BY: time.monotonic() + limit_s}
    line = json.dumps(asked, ensure_ascii=False).encode() + b"\n"
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
