"""Who may speak with the broker: an account file for the embedded one, two for Mosquitto.

Passwords are random and 192 bits long, so a light hash suffices; it has Mosquitto's own form
(``$7$rounds$salt$hash``, PBKDF2-HMAC-SHA512), and one line serves both brokers.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast.keys import made_once
from broadcast.models import Player
from core.errors import N_, InvalidInput
from core.settings import Settings

ROUNDS = 101
TOPIC_ROOT = "xiangyin"
SERVER_NAME = "xiangyin-server"
PLAIN_PORT, TLS_PORT = 1883, 8883


@dataclass(frozen=True)
class Endpoint:
    """Where a broker listens and how the server logs in there."""

    host: str
    port: int
    tls: bool
    username: str
    password: str


def hash_password(password: str, salt: bytes | None = None) -> str:
    """Mosquitto's PBKDF2 form, with a fresh salt unless one of 12 bytes is given."""
    salt = salt or secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ROUNDS)
    encode = base64.b64encode
    return f"$7${ROUNDS}${encode(salt).decode()}${encode(digest).decode()}"


def fits(password: str, stored: str) -> bool:
    """Whether ``password`` belongs to the stored form; False for any form not understood."""
    try:
        _, kind, rounds, salt, digest = stored.split("$")
        wanted = base64.b64decode(digest, validate=True)
        found = hashlib.pbkdf2_hmac(
            "sha512", password.encode(), base64.b64decode(salt, validate=True), int(rounds)
        )
    except (ValueError, binascii.Error):
        return False
    return kind == "7" and hmac.compare_digest(found, wanted)


def prefix(player: Player) -> str:
    """Start of the player's own topics."""
    return f"{TOPIC_ROOT}/{player.area_code}/{player.id}"


def players_file(settings: Settings) -> Path:
    """The embedded broker's accounts."""
    return settings.folder("broker") / "players.json"


def server_password(settings: Settings) -> str:
    """The server's own password with the embedded broker, made once in data_dir/keys."""
    path = settings.folder("keys") / "mqtt-server"
    return made_once(path, secrets.token_urlsafe(32).encode()).decode()


def tls_files(settings: Settings) -> tuple[Path, Path] | None:
    """Certificate and key of the embedded broker: those of the pages, if there are any."""
    if settings.web_tls == "off":
        return None
    if settings.web_tls == "files" and settings.web_tls_cert and settings.web_tls_key:
        return settings.web_tls_cert, settings.web_tls_key
    folder = settings.data_dir.resolve() / "tls"
    certificate, key = folder / "server.pem", folder / "server.key"
    return (certificate, key) if certificate.is_file() and key.is_file() else None


def endpoint(settings: Settings) -> Endpoint:
    """The broker as the server itself reaches it. Raises InvalidInput for a bad mqtt_url."""
    if not settings.mqtt_url:
        host = settings.mqtt_host
        return Endpoint(
            "127.0.0.1" if host in ("0.0.0.0", "::", "") else host,
            settings.mqtt_port,
            tls_files(settings) is not None,
            SERVER_NAME,
            server_password(settings),
        )
    url = urlsplit(settings.mqtt_url)
    try:
        port = url.port
    except ValueError:
        port = -1
    if url.scheme not in ("mqtt", "mqtts") or not url.hostname or port == -1:
        raise InvalidInput(
            N_("XIANGYIN_MQTT_URL must look like mqtt://name:password@host:1883."),
            field="mqtt_url",
        )
    tls = url.scheme == "mqtts"
    return Endpoint(
        url.hostname,
        port or (TLS_PORT if tls else PLAIN_PORT),
        tls,
        unquote(url.username or ""),
        unquote(url.password or ""),
    )


def authority(settings: Settings) -> str | None:
    """Who vouches for the broker: PEM; empty: the system's authorities; None: as for the pages.

    Raises InvalidInput when the file the settings name is none.
    """
    if not settings.mqtt_url:
        return None
    if settings.mqtt_ca is None:
        return ""
    try:
        pem = settings.mqtt_ca.read_text(encoding="ascii")
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (OSError, ValueError) as error:
        raise InvalidInput(
            N_("XIANGYIN_MQTT_CA must name a file with certificates in PEM form: %(why)s."),
            field="mqtt_ca",
            params={"why": getattr(error, "strerror", None) or "it holds none"},
        ) from None
    return pem


def check(settings: Settings) -> None:
    """Raise InvalidInput when the server could not reach its broker by these settings."""
    endpoint(settings)
    authority(settings)


def for_player(
    settings: Settings, player: Player, password: str, asked_host: str
) -> dict[str, object]:
    """What a player is told at enrolment; the embedded broker is where the pages are."""
    found = endpoint(settings)
    return {
        "ca": authority(settings),
        "host": found.host if settings.mqtt_url else asked_host,
        "port": found.port,
        "tls": found.tls,
        "username": player.id,
        "password": password,
        "prefix": prefix(player),
    }


def write_files(session: Session, settings: Settings) -> None:
    """Write the account files anew from the database, each in one step (mode 600)."""
    players = session.scalars(
        sa.select(Player).where(Player.revoked_at.is_(None)).order_by(Player.id)
    ).all()
    server = endpoint(settings)
    # The same line each time: another one would be another account to the embedded broker.
    server_salt = hashlib.sha256(f"salt {server.password}".encode()).digest()[:12]
    server_hash = hash_password(server.password, server_salt)
    folder = settings.folder("broker")
    accounts = {
        player.id: {"password_hash": player.mqtt_password_hash, "prefix": prefix(player)}
        for player in players
    }
    accounts[SERVER_NAME] = {"password_hash": server_hash, "prefix": TOPIC_ROOT}
    _replace(players_file(settings), json.dumps({"accounts": accounts}, indent=1))
    passwords = [f"{player.id}:{player.mqtt_password_hash}" for player in players]
    rights = [
        f"user {player.id}\ntopic read {prefix(player)}/wake\n"
        f"topic read {prefix(player)}/command\ntopic write {prefix(player)}/state\n"
        for player in players
    ]
    if server.username:
        passwords.append(f"{server.username}:{server_hash}")
        rights.append(f"user {server.username}\ntopic readwrite {TOPIC_ROOT}/#\n")
    _replace(folder / "mosquitto.passwd", "\n".join([*passwords, ""]))
    _replace(folder / "mosquitto.acl", "\n".join(rights))


class Writer:
    """Writes the account files whenever the players in the database are others than before.

    News of a player tells one process of one machine; brokers of other machines rely on this.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._written: str | None = None

    def write_if_changed(self, session: Session) -> bool:
        """Compare and, if need be, write; raises OSError when that is impossible."""
        digest = hashlib.sha256()
        for row in session.execute(
            sa.select(Player.id, Player.area_code, Player.mqtt_password_hash)
            .where(Player.revoked_at.is_(None))
            .order_by(Player.id)
        ):
            digest.update(f"{row!r}\n".encode())
        if digest.hexdigest() == self._written:
            return False
        write_files(session, self._settings)
        self._written = digest.hexdigest()
        return True


def _replace(target: Path, text: str) -> None:
    part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    part.replace(target)
