"""Signatures after Standard Webhooks 1.0: HMAC-SHA256 over "id.timestamp.body", base64, "v1,".

Pure. A secret is "whsec_" and the base64 of its bytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

PREFIX = "whsec_"
SECRET_BYTES = 32
TOLERANCE_S = 300
LONGEST_ID = 200
MOST_SIGNATURES = 10


@dataclass(frozen=True)
class Envelope:
    """The three headers of a message, as sent."""

    message_id: str
    timestamp: str
    signatures: str

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Envelope | None:
        """None when one is missing or no sane value."""
        found = cls(
            headers.get("webhook-id", ""),
            headers.get("webhook-timestamp", ""),
            headers.get("webhook-signature", ""),
        )
        is_time = found.timestamp.isascii() and found.timestamp.isdigit()
        is_sane = 0 < len(found.message_id) <= LONGEST_ID and is_time and len(found.timestamp) <= 11
        return found if is_sane and found.signatures else None

    def is_fresh(self, now: datetime) -> bool:
        """Whether it was signed within five minutes of ``now``."""
        return abs(int(self.timestamp) - now.timestamp()) <= TOLERANCE_S

    def fits(self, body: bytes, keys: Iterable[str]) -> bool:
        """Whether one of its signatures was made with one of the secrets ``keys``."""
        given = [
            signature.encode()
            for signature in self.signatures.split(" ")[:MOST_SIGNATURES]
            if signature.startswith("v1,")
        ]
        found = False
        for key in keys:
            right = sign(key, self.message_id, self.timestamp, body)
            for signature in given:
                found |= hmac.compare_digest(right.encode(), signature)
        return found


def fresh_secret() -> str:
    """A new secret."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def sign(secret: str, message_id: str, timestamp: int | str, body: bytes) -> str:
    """The value of webhook-signature; a ``timestamp`` that came as text is signed as written.

    Raises ValueError for a secret that is none.
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("the secret is no base64") from None
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
