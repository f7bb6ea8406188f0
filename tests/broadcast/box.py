"""A village player as the server sees it: a key, a token, and a chain of receipts."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from broadcast import players
from broadcast.models import Player
from core.auth import Actor
from core.database import Database
from schedule.models import Play


@dataclass
class Box:
    """Writes receipts the way a real player does."""

    player: Player
    token: str
    mqtt_password: str
    key: Ed25519PrivateKey
    seq: int = 0
    last_hash: str = ""
    sent: list[dict[str, str]] = field(default_factory=list)

    def sign(self, body: dict[str, Any]) -> dict[str, str]:
        """The next receipt of the chain."""
        self.seq += 1
        text = json.dumps({"seq": self.seq, "player_id": self.player.id, **body})
        digest = hashlib.sha256((self.last_hash + text).encode()).hexdigest()
        receipt = {
            "body": text,
            "hash": digest,
            "previous_hash": self.last_hash,
            "signature": base64.b64encode(self.key.sign(digest.encode())).decode(),
        }
        self.last_hash = digest
        self.sent.append(receipt)
        return receipt

    def played(self, play: Play, error_ms: float = 1.5, **changes: Any) -> dict[str, str]:
        """Receipt of a play that sounded ``error_ms`` after its time."""
        started = play.starts_at + timedelta(milliseconds=error_ms)
        body = {
            "play_id": play.id,
            "revision": play.revision,
            "outcome": "played",
            "reason": None,
            "clip_sha256": play.clip_sha256,
            "scheduled_at": _iso(play.starts_at),
            "started_at": _iso(started),
            "ended_at": _iso(started + timedelta(milliseconds=play.duration_ms or 0)),
            "start_error_ms": error_ms,
            "sink": "wav",
            "clock_synchronised": True,
        }
        return self.sign({**body, **changes})

    def missed(self, play: Play, reason: str) -> dict[str, str]:
        """Receipt of a play that did not sound."""
        nothing = {"started_at": None, "ended_at": None, "start_error_ms": None}
        return self.played(play, outcome="missed", reason=reason, **nothing)


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def public_key(key: Ed25519PrivateKey) -> str:
    """Raw public half in base64, as players send it."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def enrolled(
    database: Database, administrator: Actor, area_code: str, *, approved: bool = True
) -> Box:
    """A player that came in with a code, and that somebody said yes to."""
    key = Ed25519PrivateKey.generate()
    with database.write() as session:
        code = players.new_code(session, administrator, area_code).code
        found = players.enrol(session, code, "", public_key(key), "0.1")
        if approved:
            players.approve(session, administrator, found.player.id)
        return Box(found.player, found.token, found.mqtt_password, key)
