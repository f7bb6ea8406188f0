"""HTTPS to the server: everything that must not be lost goes this way."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from urllib3.exceptions import HTTPError

from edge import __version__
from edge.config import Broker, Identity, sync_folder
from edge.errors import (
    BadSettings,
    ClipDamaged,
    DiskFull,
    ServerRefused,
    ServerUnreachable,
)
from edge.manifest import ClipRef
from edge.store import SignedReceipt

log = logging.getLogger(__name__)
_TIMEOUT = urllib3.Timeout(connect=5, read=15)
_CHUNK_BYTES = 1 << 16
_NO_SPACE = (28, 122)  # ENOSPC, EDQUOT


@dataclass(frozen=True)
class FetchedManifest:
    """A manifest as it came: not verified yet."""

    envelope: bytes
    etag: str | None


class Client:
    """Speaks to one server, trusting one CA. ``token``: empty before enrolment."""

    def __init__(self, server_url: str, ca_file: Path | None, token: str = "") -> None:
        _check_url(server_url)
        self._base = server_url.rstrip("/") + "/edge/v1"
        self._token = token
        self._pool = urllib3.PoolManager(
            num_pools=2,
            retries=False,
            timeout=_TIMEOUT,
            cert_reqs="CERT_REQUIRED",
            ca_certs=str(ca_file) if ca_file else None,
        )

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def enrol(self, code: str, name: str, key: Ed25519PrivateKey) -> dict[str, Any]:
        """Trade a one-time code for an identity."""
        body = {
            "code": code,
            "name": name,
            "public_key": base64.b64encode(key.public_key().public_bytes_raw()).decode(),
            "version": __version__,
        }
        found: dict[str, Any] = json.loads(self._send("POST", "/enrol", body=body).data)
        return found

    def manifest(self, etag: str | None) -> FetchedManifest | None:
        """The manifest, or None when it still is the one with ``etag``."""
        answer = self._send("GET", "/manifest", headers={"If-None-Match": etag} if etag else {})
        if answer.status == 304:
            return None
        return FetchedManifest(answer.data, answer.headers.get("ETag"))

    def post_receipts(self, receipts: list[SignedReceipt]) -> int:
        """Number up to which the server has committed."""
        travelling = [
            {
                "body": receipt.body,
                "hash": receipt.hash,
                "previous_hash": receipt.previous_hash,
                "signature": receipt.signature,
            }
            for receipt in receipts
        ]
        answer = self._send("POST", "/receipts", body={"receipts": travelling})
        try:
            return int(json.loads(answer.data)["acknowledged_seq"])
        except (ValueError, KeyError, TypeError) as error:
            raise ServerUnreachable(f"the acknowledgement was not understood: {error!r}") from error

    def post_sounded(self, play_id: int, sound: bytes, first_sample_at: str) -> None:
        """Send what the WAV sink sounded."""
        headers = {"Content-Type": "audio/ogg", "X-First-Sample-At": first_sample_at}
        self._send("POST", f"/plays/{play_id}/sounded", raw=sound, headers=headers)

    def post_health(self, health: dict[str, Any]) -> None:
        """Tell how the box is."""
        self._send("POST", "/health", body=health)

    def fetch_clip(self, clip: ClipRef, target: Path, cancelled: Callable[[], bool]) -> None:
        """Bring ``target`` to hold the clip: resumed where it broke off, checked, then renamed.

        Raises ServerUnreachable (cut short or cancelled: what came is kept), ServerRefused,
        ClipDamaged (all bytes came, but not those of the hash: thrown away), DiskFull.
        """
        part = target.with_name(target.name + ".part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            here = part.stat().st_size if part.exists() else 0
            if here < clip.size_bytes:
                self._continue_clip(clip, part, here, cancelled)
            _accept_clip(clip, part, target)
        except OSError as error:
            if error.errno in _NO_SPACE:
                part.unlink(missing_ok=True)
                raise DiskFull("the disk is full") from error
            raise

    def _continue_clip(
        self, clip: ClipRef, part: Path, here: int, cancelled: Callable[[], bool]
    ) -> None:
        headers = {"Accept-Encoding": "identity"}
        if here:
            headers |= {"Range": f"bytes={here}-", "If-Range": f'"{clip.sha256}"'}
        answer = self._send("GET", f"/clips/{clip.sha256}", headers=headers, stream=True)
        goes_on = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(
            f"bytes {here}-"
        )
        if answer.status == 206 and not goes_on:
            answer.close()
            raise ServerUnreachable("the server sent another part than the one asked for")
        got = here if goes_on else 0
        try:
            with part.open("ab" if goes_on else "wb") as handle:
                for chunk in answer.stream(_CHUNK_BYTES, decode_content=False):
                    got += len(chunk)
                    if got > clip.size_bytes:
                        break
                    handle.write(chunk)
                    if cancelled():
                        raise ServerUnreachable("stopped; the part is kept")
                handle.flush()
                os.fsync(handle.fileno())
        except (HTTPError, ConnectionError, TimeoutError) as error:
            raise ServerUnreachable(f"the clip broke off after {got} bytes") from error
        finally:
            answer.close()
        if got > clip.size_bytes:
            part.unlink()
            raise ClipDamaged(f"more than the {clip.size_bytes} bytes announced")
        if got < clip.size_bytes:
            raise ServerUnreachable(f"the clip ended after {got} of {clip.size_bytes} bytes")

    def _send(
        self,
        method: str,
        path: str,
        *,
        body: dict[str, Any] | None = None,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
        stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        sent = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        sent |= {"User-Agent": f"xiangyin-edge/{__version__}", **(headers or {})}
        if body is not None:
            raw = json.dumps(body, ensure_ascii=False).encode()
            sent["Content-Type"] = "application/json"
        try:
            answer = self._pool.request(
                method, self._base + path, body=raw, headers=sent, preload_content=not stream,
                redirect=False,
            )  # fmt: skip
        except HTTPError as error:
            raise ServerUnreachable(f"no answer from the server: {error}") from error
        if answer.status >= 300 and answer.status != 304:
            detail = _problem(answer.read() if stream else answer.data)
            raise ServerRefused(answer.status, detail)
        return answer


def identity_from(answer: dict[str, Any], url: str, *, own_ca: bool, name: str) -> Identity:
    """The identity an enrolment answer describes; BadSettings when it lacks something."""
    try:
        mqtt = answer.get("mqtt")
        broker = None
        if mqtt and mqtt.get("host"):
            names = ("host", "port", "tls", "username", "password", "prefix")
            broker = Broker(**{key: mqtt[key] for key in names})
        found = Identity(
            server_url=url,
            own_ca=own_ca,
            player_id=str(answer["player_id"]),
            area_code=str(answer["area_code"]),
            token=str(answer["token"]),
            server_key=str(answer["server_key"]),
            zone=str(answer["zone"]),
            name=name,
            mqtt=broker,
        )
        if len(found.server_key_bytes) != 32:
            raise ValueError("the server's key is not an Ed25519 key")
    except (KeyError, TypeError, ValueError) as error:
        raise BadSettings(f"the server's enrolment answer was not understood: {error!r}") from error
    return found


def _accept_clip(clip: ClipRef, part: Path, target: Path) -> None:
    digest = hashlib.sha256()
    with part.open("rb+") as handle:
        while chunk := handle.read(_CHUNK_BYTES):
            digest.update(chunk)
        os.fsync(handle.fileno())
    if digest.hexdigest() != clip.sha256:
        part.unlink()
        raise ClipDamaged(f"clip {clip.sha256[:12]} came with other bytes")
    part.replace(target)
    sync_folder(target.parent)


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    local = parts.hostname in ("127.0.0.1", "::1", "localhost")
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise BadSettings(f"{url}: the server's address starts with https://")


def _problem(content: bytes) -> str:
    try:
        data = json.loads(content)
        return str(data.get("detail") or data.get("title") or data)[:300]
    except (ValueError, AttributeError):
        return content[:200].decode("utf-8", "replace")
