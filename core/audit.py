"""The audit trail: a hash chain; change one row and verification names it."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import utc_now
from core.models import AuditEntry

FIRST = "0" * 64


def record(session: Session, actor: str, action: str, subject: str, **detail: Any) -> None:
    """Append an entry in the caller's transaction. ``detail`` never holds a full number."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.text("SELECT pg_advisory_xact_lock(720251)"))
    session.flush()
    previous = session.scalar(sa.select(AuditEntry.hash).order_by(AuditEntry.id.desc()).limit(1))
    now = utc_now()
    previous = previous or FIRST
    session.add(
        AuditEntry(
            at=now,
            actor=actor,
            action=action,
            subject=subject,
            detail=detail,
            previous_hash=previous,
            hash=_digest(previous, now, actor, action, subject, detail),
        )
    )
    session.flush()


def first_broken(session: Session) -> int | None:
    """Id of the first entry whose hash does not fit, or None when the chain is whole."""
    previous = FIRST
    for entry in session.scalars(sa.select(AuditEntry).order_by(AuditEntry.id)):
        expected = _digest(
            previous, entry.at, entry.actor, entry.action, entry.subject, entry.detail
        )
        if entry.previous_hash != previous or entry.hash != expected:
            return entry.id
        previous = entry.hash
    return None


def _digest(
    previous: str, at: datetime, actor: str, action: str, subject: str, detail: dict[str, Any]
) -> str:
    body = json.dumps(
        [previous, at.isoformat(), actor, action, subject, detail],
        ensure_ascii=False,
        sort_keys=True,
    )
    return hashlib.sha256(body.encode()).hexdigest()
