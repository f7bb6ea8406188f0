"""Village players: one-time codes, a person's yes, tokens that let them speak, and revoking."""

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

from broadcast import clones, held_lists, history, lookup, presence
from broadcast.accounts import hash_password
from broadcast.models import EnrolmentCode, Player, Speaker
from core import areas, audit, outbox
from core.auth import Actor, token_hash
from core.clock import utc_now
from core.database import claimed
from core.errors import N_, Conflict, InvalidInput
from core.models import Area

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Without 0 O 1 I L, which people confuse."""
CODE_LENGTH = 8
CODE_LIVES = timedelta(hours=24)
SEEN_EVERY = timedelta(seconds=20)
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


def new_code(
    session: Session,
    actor: Actor,
    area_code: str,
    name: str = "",
    lives: timedelta = CODE_LIVES,
) -> NewCode:
    """Make a one-time code for a player of a village, good for a day unless told."""
    actor.require("speaker.edit")
    area = areas.get(session, area_code)
    actor.require_area(session, area_code)
    return code_for(session, actor, area, name, lives)


def code_for(
    session: Session, actor: Actor, area: Area, name: str, lives: timedelta = CODE_LIVES
) -> NewCode:
    """The same once it is known that ``actor`` may: asking for each of many takes too long."""
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
            area_code=area.code,
            name=name,
            created_at=now,
            expires_at=now + lives,
        )
    )
    audit.record(session, actor.login, "player.code", f"area:{area.code}", name=name)
    return NewCode(f"{code[:4]}-{code[4:]}", now + lives)


def enrol(session: Session, code: str, name: str, public_key: str, version: str = "") -> Enrolled:
    """Let a player in with a code; ``public_key`` is raw Ed25519, base64.

    It gets nothing to sound before ``approve``. The same player may repeat it with the same key
    while the code lives and nobody has used the token: then the first answer was lost on its way.
    Raises InvalidInput for everything else.
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
        version=version[:40] or None,
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
    history.note(session, player.id, "enrolled")
    clones.note_same_key(session, player)
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
    player = known(session, token)
    return player if player is not None and player.revoked_at is None else None


def known(session: Session, token: str) -> Player | None:
    """The player a token was given to, revoked or not."""
    return session.scalar(sa.select(Player).where(Player.token_hash == token_hash(token)))


def approve(session: Session, actor: Actor, player_id: str) -> Player:
    """Say yes to a player: from now on it gets what its village sounds. Twice changes nothing."""
    player = _editable(session, actor, player_id)
    if player.revoked_at is not None:
        raise Conflict(N_("This player was shut out. Enrol it with a new code."))
    if player.approved_at is None:
        player.approved_at, player.approved_by_id = utc_now(), actor.id
        history.note(session, player_id, "approved")
        audit.record(session, actor.login, "player.approve", f"player:{player_id}")
        outbox.emit(session, "player.changed", player_id=player_id)
    return player


def revoke(session: Session, actor: Actor, player_id: str) -> Player:
    """Shut a player out for good, or refuse one nobody has approved.

    A live address ends there within a second. A play falls silent when the player asks next, which
    takes half a minute at most while it has network; then it forgets what it holds, too. Doing it
    twice changes nothing.
    """
    player = _editable(session, actor, player_id)
    if player.revoked_at is None:
        player.revoked_at, player.online = utc_now(), False
        session.execute(sa.delete(Speaker).where(Speaker.player_id == player_id))
        history.note(session, player_id, "revoked", None if player.approved_at else "refused")
        audit.record(session, actor.login, "player.revoke", f"player:{player_id}")
        outbox.emit(session, "player.changed", player_id=player_id)
    return player


def waiting_for_approval(session: Session, actor: Actor) -> list[Player]:
    """Players of the actor's area that nobody has said yes to yet, the oldest first."""
    actor.require("speaker.read")
    codes = [area.code for area in areas.villages(session, actor.area_code or "")]
    return list(
        session.scalars(
            sa.select(Player)
            .where(
                Player.area_code.in_(codes),
                Player.approved_at.is_(None),
                Player.revoked_at.is_(None),
            )
            .order_by(Player.enrolled_at)
        )
    )


def _editable(session: Session, actor: Actor, player_id: str) -> Player:
    return lookup.player(session, actor, "speaker.edit", player_id)


def note_seen(session: Session, player_id: str) -> None:
    """Remember that the player spoke just now."""
    player = session.get_one(Player, player_id)
    if not presence.is_online(player):
        outbox.emit(session, "player.changed", player_id=player_id, presence=True)
    player.last_seen_at = utc_now()


def note_health(session: Session, player_id: str, health: dict[str, Any]) -> Player:
    """Remember what a player told of itself; raises InvalidInput when it is far too much."""
    if len(json.dumps(health)) > MAX_HEALTH_BYTES:
        raise InvalidInput(N_("The report of health is too long."), field="health")
    note_seen(session, player_id)
    player = session.get_one(Player, player_id)
    player.health = health
    held_lists.told(session, player, health.get("manifest_version"))
    _note_version(session, player, health.get("version"))
    clones.note_boot(session, player, health.get("boot_id"))
    history.note_problems(session, player_id, health)
    return player


def _note_version(session: Session, player: Player, told: Any) -> None:
    if not isinstance(told, str) or not told or told[:40] == player.version:
        return
    if player.version is not None:
        history.note(session, player.id, "updated", f"{player.version} > {told[:40]}")
    player.version = told[:40]


def is_seen_fresh(player: Player) -> bool:
    """Whether noting once more would be too soon to matter."""
    return player.last_seen_at is not None and utc_now() - player.last_seen_at < SEEN_EVERY


def set_online(session: Session, area_code: str, player_id: str, online: bool) -> bool:
    """What the broker says of the player; whether that is news, which the caller tells."""
    values: dict[str, Any] = {"online": online}
    if online:
        values["last_seen_at"] = utc_now()
    changed = session.execute(
        sa.update(Player)
        .where(Player.id == player_id, Player.area_code == area_code)
        .where(Player.revoked_at.is_(None), Player.online.is_(not online))
        .values(**values)
    )
    return claimed(changed)


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
