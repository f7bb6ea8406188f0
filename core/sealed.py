"""Callers' numbers: sealed (AES-GCM) for storage, findable by a keyed hash, masked for eyes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from core import phone_numbers
from core.settings import Settings


def secret_key(settings: Settings) -> bytes:
    """The installation's secret: from the settings, else made once in data_dir/keys (mode 600)."""
    if settings.secret_key:
        return settings.secret_key.encode()
    path = settings.folder("keys") / "secret"
    if not path.exists():
        _create_once(path, secrets.token_urlsafe(48).encode())
    return path.read_bytes()


def _create_once(path: Path, content: bytes) -> None:
    part = path.with_suffix(f".{os.getpid()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    try:
        os.link(part, path)  # fails when another process was first; then theirs counts
    except FileExistsError:
        pass
    finally:
        part.unlink()


class Sealer:
    """Seals and unseals short texts with a key derived from the installation's secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._cipher = AESGCM(self._derive(b"seal"))
        self._hash_key = self._derive(b"hash")

    @classmethod
    def from_settings(cls, settings: Settings) -> Sealer:
        return cls(secret_key(settings))

    def _derive(self, purpose: bytes) -> bytes:
        return HKDF(hashes.SHA256(), 32, salt=None, info=b"xiangyin/" + purpose).derive(
            self._secret
        )

    def seal(self, text: str) -> str:
        """Encrypt ``text``; a different result each time."""
        nonce = os.urandom(12)
        return base64.urlsafe_b64encode(
            nonce + self._cipher.encrypt(nonce, text.encode(), None)
        ).decode()

    def unseal(self, sealed: str) -> str:
        """Decrypt; raises cryptography.exceptions.InvalidTag when the key or text is wrong."""
        raw = base64.urlsafe_b64decode(sealed)
        return self._cipher.decrypt(raw[:12], raw[12:], None).decode()

    def keyed_hash(self, *parts: str) -> str:
        """HMAC-SHA256 over ``parts``, hexadecimal: equal parts, equal hash, no way back."""
        message = "\x1f".join(parts).encode()
        return hmac.new(self._hash_key, message, hashlib.sha256).hexdigest()

    def caller_hash(self, number: str) -> str:
        """By what a caller is found again: the same for every way to write the number."""
        return self.keyed_hash("caller", phone_numbers.normal(number))

    def pin(self, *parts: str) -> str:
        """Four digits that follow from ``parts``, so they need not be stored."""
        return f"{int(self.keyed_hash(*parts)[:12], 16) % 10_000:04d}"


def mask_number(number: str) -> str:
    """``13812345678`` -> ``138****5678``; short numbers keep their last two digits only."""
    number = phone_numbers.normal(number)
    if len(number) >= 8:
        return f"{number[:3]}****{number[-4:]}"
    return f"****{number[-2:]}" if number else ""
