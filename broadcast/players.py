"""Village players: one-time codes that let them in, tokens that let them speak, and revoking."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy.orm import Session

from broadcast.accounts import hash_password
from broadcast.models import EnrolmentCode, Player, Speaker
from core import areas, audit, outbox
from core.auth import Actor, token_hash
from core.clock import utc_now
from core.database import claimed
from core.errors import N_, InvalidInput, NotFound

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Without 0 O 1 I L, which people confuse."""
CODE_LENGTH = 8
CODE_LIVES = timedelta(hours=24)
SEEN_EVERY = timedelta(seconds=20)
SEEN_COUNTS_AS_ONLINE = timedelta(seconds=150)
MAX_HEALTH_BYTES = 16_384


@dataclass(frozen=True)
class NewCode:
    """A code to hand over; it is shown once and stored as a hash."""

    code: str
    expires_at: datetime


@dataclass(frozen=True)
class Enrolled:
    """A player let in, with the secrets that are told once."""

    player: Player
    token: str
    mqtt_password: str


def new_code(session: Session, actor: Actor, area_code: str, name: str = "") -> NewCode:
    """Make a one-time code for a player of a village, good for a day."""
    actor.require("speaker.edit")
    area = areas.get(session, area_code)
    actor.require_area(session, area_code)
    if area.level != "village":
        raise InvalidInput(N_("Choose a village; players stand in villages."), field="area_code")
    name = name.strip() or area.name
    if len(name) > 80:
        raise InvalidInput(N_("The name may have up to 80 characters."), field="name")
    code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
    now = utc_now()
    session.add(
        EnrolmentCode(
            code_hash=_code_hash(code),
            area_code=area_code,
            name=name,
            created_at=now,
            expires_at=now + CODE_LIVES,
        )
    )
    audit.record(session, actor.login, "player.code", f"area:{area_code}", name=name)
    return NewCode(f"{code[:4]}-{code[4:]}", now + CODE_LIVES)


def enrol(session: Session, code: str, name: str, public_key: str, version: str = "") -> Enrolled:
    """Let a player in with a code; ``public_key`` is raw Ed25519, base64.

    The same player may repeat it with the same key while the code lives and nobody has used the
    token: then the first answer was lost on its way. Raises InvalidInput for everything else.
    """
    _check_key(public_key)
    now = utc_now()
    row = session.get(EnrolmentCode, _code_hash(code), with_for_update=True)
    if row is None or row.expires_at <= now:
        raise _bad_code()
    if row.used_at is not None:
        return _enrol_again(session, row, public_key)
    player = Player(
        id=f"p-{secrets.token_hex(6)}",
        area_code=row.area_code,
        name=(name.strip() or row.name)[:80],
        public_key=public_key,
        enrolled_at=now,
        health={"version": version[:40]} if version else None,
    )
    token, password = _new_secrets(player)
    session.add(player)
    taken = session.execute(
        sa.update(EnrolmentCode)
        .where(EnrolmentCode.code_hash == row.code_hash, EnrolmentCode.used_at.is_(None))
        .values(used_at=now, player_id=player.id)
    )
    if not claimed(taken):
        raise _bad_code()
    session.flush()
    session.add(Speaker(area_code=row.area_code, name=player.name, player_id=player.id))
    audit.record(session, "player", "player.enrol", f"player:{player.id}", area=row.area_code)
    outbox.emit(session, "player.changed", player_id=player.id)
    return Enrolled(player, token, password)


def _enrol_again(session: Session, row: EnrolmentCode, public_key: str) -> Enrolled:
    player = session.get(Player, row.player_id) if row.player_id else None
    if player is None or player.public_key != public_key or player.revoked_at is not None:
        raise _bad_code()
    if player.last_seen_at is not None:
        raise _bad_code()
    token, password = _new_secrets(player)
    outbox.emit(session, "player.changed", player_id=player.id)
    return Enrolled(player, token, password)


def authenticate(session: Session, token: str) -> Player | None:
    """The player behind a token, or None when it is unknown or revoked."""
    return session.scalar(
        sa.select(Player).where(Player.token_hash == token_hash(token), Player.revoked_at.is_(None))
    )


def revoke(session: Session, actor: Actor, player_id: str) -> Player:
    """Shut a player out at once and for good. Doing it twice changes nothing."""
    actor.require("speaker.edit")
    player = session.get(Player, player_id)
    if player is None:
        raise NotFound(N_("There is no such player."))
    actor.require_area(session, player.area_code)
    if player.revoked_at is None:
        player.revoked_at, player.online = utc_now(), False
        session.execute(sa.delete(Speaker).where(Speaker.player_id == player_id))
        audit.record(session, actor.login, "player.revoke", f"player:{player_id}")
        outbox.emit(session, "player.changed", player_id=player_id)
    return player


def note_seen(session: Session, player_id: str, manifest_version: int | None = None) -> None:
    """Remember that the player spoke just now (and which manifest it fetched)."""
    player = session.get_one(Player, player_id)
    if not is_online(player):
        outbox.emit(session, "player.changed", player_id=player_id)
    player.last_seen_at = utc_now()
    if manifest_version is not None:
        player.manifest_version = manifest_version


def note_health(session: Session, player_id: str, health: dict[str, Any]) -> None:
    """Remember what a player told of itself; raises InvalidInput when it is far too much."""
    if len(json.dumps(health)) > MAX_HEALTH_BYTES:
        raise InvalidInput(N_("The report of health is too long."), field="health")
    version = health.get("manifest_version")
    known = isinstance(version, int) and 0 <= version < 2**31
    note_seen(session, player_id, version if known else None)
    session.get_one(Player, player_id).health = health


def is_seen_fresh(player: Player) -> bool:
    """Whether noting once more would be too soon to matter."""
    return player.last_seen_at is not None and utc_now() - player.last_seen_at < SEEN_EVERY


def set_online(session: Session, player_id: str, online: bool) -> None:
    """What the broker says of the player; emits player.changed when it is news."""
    values: dict[str, Any] = {"online": online}
    if online:
        values["last_seen_at"] = utc_now()
    changed = session.execute(
        sa.update(Player)
        .where(Player.id == player_id, Player.revoked_at.is_(None), Player.online.is_(not online))
        .values(**values)
    )
    if claimed(changed):
        outbox.emit(session, "player.changed", player_id=player_id)


def is_online(player: Player) -> bool:
    """Connected to the broker, or asked by HTTPS moments ago (players poll once a minute)."""
    if player.revoked_at is not None:
        return False
    seen = player.last_seen_at
    return player.online or (seen is not None and utc_now() - seen < SEEN_COUNTS_AS_ONLINE)


def _new_secrets(player: Player) -> tuple[str, str]:
    token, password = "pt_" + secrets.token_urlsafe(32), secrets.token_urlsafe(24)
    player.token_hash = token_hash(token)
    player.mqtt_password_hash = hash_password(password)
    return token, password


def _code_hash(code: str) -> str:
    plain = re.sub(r"[\s-]", "", code).upper()
    return hashlib.sha256(f"enrolment:{plain}".encode()).hexdigest()


def _check_key(public_key: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
    except (ValueError, binascii.Error):
        raise InvalidInput(
            N_("The public key is not an Ed25519 key in base64."), field="public_key"
        ) from None


def _bad_code() -> InvalidInput:
    return InvalidInput(
        N_("This code is wrong, used or too old. Ask for a new one on the loudspeakers page."),
        field="code",
    )
