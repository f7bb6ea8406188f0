"""The signed list of what an area's players sound in the next days.

The same area and content give the same bytes, whoever asks. The version grows when the content
changes; it stays when only the time of issue is renewed (once a day), so that a signed list never
runs out while the server lives.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from broadcast import listed
from broadcast.commands import BELL
from broadcast.keys import ServerKey
from broadcast.listed import iso
from broadcast.models import OVERRIDE_IDS, ManifestVersion, OverridePlay, Player
from core import bell, outbox
from core.clock import utc_now
from schedule.models import Play

SCHEMA = 1
VALID_FOR = timedelta(days=7)
RENEW_AFTER = timedelta(days=1)
KEPT_FOR = timedelta(seconds=20)
CLOCKS_DIFFER = timedelta(seconds=5)
"""Between two machines that sign lists, or before and after a correction nobody need notice."""


@dataclass(frozen=True)
class Manifest:
    """What is signed. ``payload`` is the exact JSON text; ``play_ids`` are those inside."""

    area_code: str
    version: int
    issued_at: datetime
    payload: str
    play_ids: tuple[int, ...]

    def without_plays(self) -> Manifest:
        """The list of a player that nobody has approved yet: it keeps silent."""
        payload = json.loads(self.payload) | {"plays": []}
        return replace(self, payload=_text(payload), play_ids=())

    @property
    def etag(self) -> str:
        """Changes with every byte of the payload."""
        return hashlib.sha256(self.payload.encode()).hexdigest()[:32]


_kept: dict[str, tuple[Manifest, str, datetime]] = {}
"""Area code -> what was issued, the hash of its content, and when."""


def current(session: Session, area_code: str) -> Manifest | None:
    """The manifest as last issued, or None when it must be issued anew (reads only)."""
    content = listed.content(session, area_code, utc_now())
    known = session.get(ManifestVersion, area_code)
    if known is None or known.content_hash != _hash(content) or _is_old(known):
        return None
    return _compose(area_code, known, content)


def kept(session: Session, area_code: str) -> Manifest | None:
    """What ``build`` was asked to keep moments ago, if that still is what was issued last.

    A change wakes all players of many villages at once; most of them ask within seconds.
    """
    if area_code not in _kept:
        return None
    found, digest, at = _kept[area_code]
    known = session.get(ManifestVersion, area_code)
    if known is None or abs(utc_now() - at) > KEPT_FOR:
        return None
    issued = (known.version, known.issued_at, known.content_hash)
    return found if issued == (found.version, found.issued_at, digest) else None


def build(session: Session, area_code: str, *, keep: bool = False) -> Manifest:
    """The manifest of this moment, issued anew when needed; ``keep``: remember it for ``kept``.

    Plays in it become ``published`` once the village has a player. Emits manifest.changed when
    the version grew. A play that is left out although its ``make_up_until`` lies after
    ``issued_at`` is withdrawn: players stop it. One that merely ran out is not.
    """
    known = _taken(session, area_code)
    now = utc_now()
    content = listed.content(session, area_code, now)
    digest = _hash(content)
    if known.content_hash != digest:
        known.version += 1
        known.content_hash, known.issued_at = digest, _time_of_issue(known.issued_at, now)
        outbox.emit(session, "manifest.changed", area_code=area_code)
        bell.ring_after_commit(session, BELL)
    elif _is_old(known):
        known.issued_at = now
    session.flush()
    _publish(session, area_code, [play["play_id"] for play in content["plays"]])
    found = _compose(area_code, known, content)
    if keep:
        _kept[area_code] = found, digest, now
    return found


def sign(key: ServerKey, manifest: Manifest) -> dict[str, str]:
    """What players fetch: payload, signature (base64), key id."""
    return {
        "payload": manifest.payload,
        "signature": key.sign(manifest.payload),
        "key_id": key.key_id,
    }


def has_clip(session: Session, area_code: str, sha256: str) -> bool:
    """Whether a clip belongs to a play that the area's players may still need."""
    return listed.needs(session, area_code, sha256, utc_now())


def has_player(session: Session, area_code: str) -> bool:
    """Whether the village has a player that was approved and not revoked."""
    return (
        session.scalar(
            sa.select(Player.id)
            .where(Player.area_code == area_code, Player.revoked_at.is_(None))
            .where(Player.approved_at.is_not(None))
            .limit(1)
        )
        is not None
    )


def _compose(area_code: str, known: ManifestVersion, content: dict[str, Any]) -> Manifest:
    payload = {
        "schema": SCHEMA,
        "area_code": area_code,
        "version": known.version,
        "issued_at": iso(known.issued_at),
        "valid_until": iso(known.issued_at + VALID_FOR),
        **content,
    }
    return Manifest(
        area_code=area_code,
        version=known.version,
        issued_at=known.issued_at,
        payload=_text(payload),
        play_ids=tuple(play["play_id"] for play in content["plays"]),
    )


def _taken(session: Session, area_code: str) -> ManifestVersion:
    """The row of the area, ours until the end of the transaction.

    Taken before the content is read: who waits for it sees what the one before has committed, and
    cannot sign something older under a higher version and a later time.
    """
    fresh: dict[str, Any] = {"with_for_update": True, "populate_existing": True}
    known = session.get(ManifestVersion, area_code, **fresh)
    if known is not None:
        return known
    dialect = session.get_bind().dialect.name
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    first = {"version": 0, "content_hash": "", "issued_at": utc_now(), "woken_version": 0}
    session.execute(
        insert(ManifestVersion).values(area_code=area_code, **first).on_conflict_do_nothing()
    )
    return session.get_one(ManifestVersion, area_code, **fresh)


def _publish(session: Session, area_code: str, play_ids: list[int]) -> None:
    if not play_ids or not has_player(session, area_code):
        return
    for table, ids in (
        (Play, [number for number in play_ids if number <= OVERRIDE_IDS]),
        (OverridePlay, [number for number in play_ids if number > OVERRIDE_IDS]),
    ):
        if ids:
            session.execute(
                sa.update(table)
                .where(table.id.in_(ids), table.state == "planned")
                .values(state="published")
            )


def _time_of_issue(last: datetime, now: datetime) -> datetime:
    """Never a little before the last one, which players would refuse. After a clock that ran far
    ahead it is the present: by a later time they would take what is called off for run out. There
    they see that the last one lies ahead, and go by the version.
    """
    return max(last, now) if last - now <= CLOCKS_DIFFER else now


def _is_old(known: ManifestVersion) -> bool:
    return known.issued_at + RENEW_AFTER <= utc_now()


def _hash(content: dict[str, Any]) -> str:
    return hashlib.sha256(_text(content).encode()).hexdigest()


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
