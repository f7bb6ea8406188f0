"""The server's signing key: players pin its public half at enrolment."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.settings import Settings


class ServerKey:
    """Ed25519 key pair that signs manifests."""

    def __init__(self, raw_private: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(raw_private)
        self._public = self._private.public_key().public_bytes_raw()

    @classmethod
    def from_settings(cls, settings: Settings) -> ServerKey:
        """The key in data_dir/keys, made once (mode 600). Losing it means enrolling again."""
        path = settings.folder("keys") / "manifest"
        return cls(made_once(path, Ed25519PrivateKey.generate().private_bytes_raw()))

    @property
    def public(self) -> str:
        """Raw public key, base64."""
        return base64.b64encode(self._public).decode()

    @property
    def key_id(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of the raw public key."""
        return hashlib.sha256(self._public).hexdigest()[:16]

    def sign(self, text: str) -> str:
        """Signature over the UTF-8 bytes of ``text``, base64. The same text, the same bytes."""
        return base64.b64encode(self._private.sign(text.encode())).decode()


def made_once(path: Path, content: bytes) -> bytes:
    """What ``path`` holds; written there (mode 600) when nobody did before."""
    if not path.exists():
        part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            os.link(part, path)  # fails when another process was first; then theirs counts
        except FileExistsError:
            pass
        finally:
            part.unlink()
    return path.read_bytes()
