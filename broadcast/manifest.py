"""The signed list of what an area's players sound in the next days.

The same area and content give the same bytes, whoever asks. The version grows when the content
changes; it stays when only the time of issue is renewed (once a day), so that a signed list never
runs out while the server lives.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast.keys import ServerKey
from broadcast.models import ManifestVersion, Player
from core import outbox
from core.clock import utc_now
from core.models import Blob
from recordings.models import Episode, Programme
from schedule.models import Play

SCHEMA = 1
AHEAD = timedelta(days=7)
VALID_FOR = timedelta(days=7)
RENEW_AFTER = timedelta(days=1)
LIVE_STATES = ("planned", "published", "played", "missed")
"""A play stays listed after its receipt: a second player of the village may still need it."""


@dataclass(frozen=True)
class Manifest:
    """What is signed. ``payload`` is the exact JSON text; ``play_ids`` are those inside."""

    area_code: str
    version: int
    issued_at: datetime
    payload: str
    play_ids: tuple[int, ...]

    @property
    def etag(self) -> str:
        """Changes with every byte of the payload."""
        return hashlib.sha256(self.payload.encode()).hexdigest()[:32]


def current(session: Session, area_code: str) -> Manifest | None:
    """The manifest as last issued, or None when it must be issued anew (reads only)."""
    plays = _plays(session, area_code, utc_now())
    known = session.get(ManifestVersion, area_code)
    if known is None or known.content_hash != _hash(plays) or _is_old(known):
        return None
    return _compose(area_code, known, plays)


def build(session: Session, area_code: str) -> Manifest:
    """The manifest of this moment, issued anew when needed.

    Plays in it become ``published`` once the village has a player. Emits manifest.changed when
    the version grew. A play that is left out although its ``make_up_until`` lies after
    ``issued_at`` is withdrawn: players stop it. One that merely ran out is not.
    """
    now = utc_now()
    plays = _plays(session, area_code, now)
    digest = _hash(plays)
    known = session.get(ManifestVersion, area_code, with_for_update=True)
    if known is None:
        known = ManifestVersion(area_code=area_code, version=0, content_hash="", issued_at=now)
        session.add(known)
    if known.content_hash != digest:
        known.version += 1
        known.content_hash, known.issued_at = digest, now
        outbox.emit(session, "manifest.changed", area_code=area_code)
    elif _is_old(known):
        known.issued_at = now
    session.flush()
    _publish(session, area_code, [play["play_id"] for play in plays])
    return _compose(area_code, known, plays)


def sign(key: ServerKey, manifest: Manifest) -> dict[str, str]:
    """What players fetch: payload, signature (base64), key id."""
    return {
        "payload": manifest.payload,
        "signature": key.sign(manifest.payload),
        "key_id": key.key_id,
    }


def has_clip(session: Session, area_code: str, sha256: str) -> bool:
    """Whether a clip belongs to a play that the area's players may still need."""
    return (
        session.scalar(
            sa.select(Play.id)
            .where(*_listed(area_code, utc_now()), Play.clip_sha256 == sha256)
            .limit(1)
        )
        is not None
    )


def has_player(session: Session, area_code: str) -> bool:
    """Whether the village has a player that was not revoked."""
    return (
        session.scalar(
            sa.select(Player.id)
            .where(Player.area_code == area_code, Player.revoked_at.is_(None))
            .limit(1)
        )
        is not None
    )


def _listed(area_code: str, now: datetime) -> list[sa.ColumnElement[bool]]:
    return [
        Play.area_code == area_code,
        Play.state.in_(LIVE_STATES),
        Play.make_up_until > now,
        Play.starts_at <= now + AHEAD,
        Play.clip_sha256.is_not(None),
    ]


def _plays(session: Session, area_code: str, now: datetime) -> list[dict[str, Any]]:
    rows = session.execute(
        sa.select(Play, Programme.name, Episode.title, Blob.size_bytes, Blob.media_type)
        .join(Episode, Episode.id == Play.episode_id)
        .join(Programme, Programme.id == Episode.programme_id)
        .join(Blob, Blob.sha256 == Play.clip_sha256)
        .where(*_listed(area_code, now))
        .order_by(Play.starts_at, Play.id)
    )
    return [
        {
            "play_id": play.id,
            "revision": play.revision,
            "starts_at": iso(play.starts_at),
            "make_up_until": iso(play.make_up_until),
            "priority": play.priority,
            "programme": programme,
            "title": title,
            "clip": {
                "sha256": play.clip_sha256,
                "size_bytes": size_bytes,
                "duration_ms": play.duration_ms,
                "media_type": media_type,
            },
        }
        for play, programme, title, size_bytes, media_type in rows
    ]


def _compose(area_code: str, known: ManifestVersion, plays: list[dict[str, Any]]) -> Manifest:
    payload = {
        "schema": SCHEMA,
        "area_code": area_code,
        "version": known.version,
        "issued_at": iso(known.issued_at),
        "valid_until": iso(known.issued_at + VALID_FOR),
        "plays": plays,
    }
    return Manifest(
        area_code=area_code,
        version=known.version,
        issued_at=known.issued_at,
        payload=_text(payload),
        play_ids=tuple(play["play_id"] for play in plays),
    )


def _publish(session: Session, area_code: str, play_ids: list[int]) -> None:
    if play_ids and has_player(session, area_code):
        session.execute(
            sa.update(Play)
            .where(Play.id.in_(play_ids), Play.state == "planned")
            .values(state="published")
        )


def _is_old(known: ManifestVersion) -> bool:
    return known.issued_at + RENEW_AFTER <= utc_now()


def _hash(plays: list[dict[str, Any]]) -> str:
    return hashlib.sha256(_text(plays).encode()).hexdigest()


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def iso(moment: datetime) -> str:
    """``2026-06-01T04:00:00Z``; microseconds only where there are any."""
    return moment.isoformat().replace("+00:00", "Z")
