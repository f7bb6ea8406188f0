"""One receipt as it came: what it says, once its form is sound."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from core.errors import N_, InvalidInput

MAX_BODY_CHARS = 4_000


@dataclass(frozen=True)
class Statement:
    """A receipt whose form is sound; nothing about its truth is known yet."""

    body: str
    hash: str
    previous_hash: str
    signature: str
    seq: int
    player_id: str
    play_id: int
    revision: int | None
    outcome: str
    reason: str | None
    clip_sha256: str | None
    scheduled_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    start_error_ms: float | None
    sink: str | None


def read(entry: Any) -> Statement:
    """What a receipt says; raises InvalidInput(field="receipts") when its form is not sound."""
    try:
        body = str(entry["body"])
        if len(body) > MAX_BODY_CHARS:
            raise ValueError("too long")
        said = json.loads(body)
        found = Statement(
            body=body,
            hash=str(entry["hash"]),
            previous_hash=str(entry["previous_hash"]),
            signature=str(entry["signature"]),
            seq=int(said["seq"]),
            player_id=str(said["player_id"]),
            play_id=int(said["play_id"]),
            revision=_whole(said.get("revision")),
            outcome=said["outcome"],
            reason=_short(said.get("reason")),
            clip_sha256=said.get("clip_sha256"),
            scheduled_at=_moment(said.get("scheduled_at")),
            started_at=_moment(said.get("started_at")),
            ended_at=_moment(said.get("ended_at")),
            start_error_ms=_number(said.get("start_error_ms")),
            sink=_short(said.get("sink")),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        raise _not_understood() from None
    if found.outcome not in ("played", "missed") or not 0 < found.seq < 2**31:
        raise _not_understood()
    if found.outcome == "played" and found.started_at is None:
        raise _not_understood()
    if not 0 <= found.play_id < 2**31 or len(found.hash) != 64 or len(found.signature) > 100:
        raise _not_understood()
    return found


def _not_understood() -> InvalidInput:
    return InvalidInput(N_("A receipt is not understood."), field="receipts")


def _moment(value: Any) -> datetime | None:
    if value is None:
        return None
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment.astimezone(UTC)


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def _number(value: Any) -> float | None:
    if value is None:
        return None
    number = float(value)
    if not abs(number) < 1e12:
        raise ValueError("not a plausible number of milliseconds")
    return number


def _short(value: Any) -> str | None:
    return None if value is None else str(value)[:60]
