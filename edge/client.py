"""HTTPS to the server: everything that must not be lost goes this way."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import urllib3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from urllib3.exceptions import HTTPError

from edge import __version__, told, trust
from edge.clock import synchronised
from edge.config import Broker, Identity
from edge.errors import (
    BadSettings,
    ClipDamaged,
    DiskFull,
    ServerRefused,
    ServerUnreachable,
)
from edge.files import sync_folder
from edge.manifest import ClipRef
from edge.store import SignedReceipt
from edge.told import Told

log = logging.getLogger(__name__)
_TIMEOUT = urllib3.Timeout(connect=5, read=15)
_LIVE_TIMEOUT = urllib3.Timeout(connect=3, read=3)
_CHUNK_BYTES = 1 << 14  # the look for news comes after each: seconds on the slowest line
_NO_SPACE = (28, 122)  # ENOSPC, EDQUOT


@dataclass(frozen=True)
class FetchedManifest:
    """A manifest as it came: not verified yet."""

    envelope: bytes
    etag: str | None


class Client:
    """Speaks to one server, trusting one CA. ``token``: empty before enrolment.

    ``server_says`` is told the server's time with each answer.
    """

    def __init__(self, server_url: str, ca_file: Path | None, token: str = "") -> None:
        trust.check_url(server_url)
        self._base = server_url.rstrip("/") + "/edge/v1"
        self._token = token
        self._ca_file = ca_file
        self._pool = trust.new_pool(ca_file)
        self.forgives_dates = False
        self.server_says: Callable[[Told], None] = lambda _told: None

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

    def post_health(self, health: dict[str, Any]) -> dict[str, Any]:
        """Tell how the box is; what the server has to say to it (see docs/player-protocol.md)."""
        began_s = time.monotonic()
        answer = self._send("POST", "/health", body=health)
        took_s = time.monotonic() - began_s
        try:
            found = dict(json.loads(answer.data))
        except (ValueError, TypeError):
            return {}
        self._note_time(told.by_health(found, took_s))
        return found

    def post_command_result(self, command_id: str, result: str, detail: str) -> None:
        """Tell what came of a command."""
        path = f"/commands/{quote(command_id, safe='')}"
        self._send("POST", path, body={"result": result, "detail": detail})

    def live_stream(self, session_id: str) -> urllib3.BaseHTTPResponse:
        """The open answer of a live address; the caller reads and closes it.

        Reading raises urllib3's HTTPError when nothing comes for three seconds.
        """
        return self._send("GET", f"/live/{session_id}", stream=True, timeout=_LIVE_TIMEOUT)

    def post_heard(self, session_id: str, told: Mapping[str, object]) -> None:
        """Tell what the horn made of a live address."""
        self._send("POST", f"/live/{session_id}/heard", body=dict(told), timeout=_LIVE_TIMEOUT)

    def fetch_clip(self, clip: ClipRef, target: Path, cancelled: Callable[[], bool]) -> None:
        """Bring ``target`` to hold the clip; see ``fetch``."""
        self.fetch(f"/clips/{clip.sha256}", clip.sha256, clip.size_bytes, target, cancelled)

    def fetch(
        self, path: str, sha256: str, size_bytes: int, target: Path, cancelled: Callable[[], bool]
    ) -> None:
        """Bring ``target`` to hold a file: resumed where it broke off, checked, then renamed.

        Raises ServerUnreachable (cut short or cancelled: what came is kept), ServerRefused,
        ClipDamaged (all bytes came, but not those of the hash: thrown away), DiskFull.
        """
        part = target.with_name(target.name + ".part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            here = part.stat().st_size if part.exists() else 0
            if here < size_bytes:
                self._go_on(path, sha256, size_bytes, part, here, cancelled)
            _accept(sha256, part, target)
        except OSError as error:
            if error.errno in _NO_SPACE:
                part.unlink(missing_ok=True)
                raise DiskFull("the disk is full") from error
            raise

    def _go_on(
        self,
        path: str,
        sha256: str,
        size_bytes: int,
        part: Path,
        here: int,
        cancelled: Callable[[], bool],
    ) -> None:
        headers = {"Accept-Encoding": "identity"}
        if here:
            headers |= {"Range": f"bytes={here}-", "If-Range": f'"{sha256}"'}
        answer = self._send("GET", path, headers=headers, stream=True)
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
                    if got > size_bytes:
                        break
                    handle.write(chunk)
                    if cancelled():
                        raise ServerUnreachable("stopped; the part is kept")
                handle.flush()
                os.fsync(handle.fileno())
        except (HTTPError, ConnectionError, TimeoutError) as error:
            raise ServerUnreachable(f"the file broke off after {got} bytes") from error
        finally:
            answer.close()
        if got > size_bytes:
            part.unlink()
            raise ClipDamaged(f"more than the {size_bytes} bytes announced")
        if got < size_bytes:
            raise ServerUnreachable(f"the file ended after {got} of {size_bytes} bytes")

    def _send(
        self,
        method: str,
        path: str,
        *,
        body: dict[str, Any] | None = None,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
        stream: bool = False,
        timeout: urllib3.Timeout = _TIMEOUT,
    ) -> urllib3.BaseHTTPResponse:
        sent = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        sent |= {"User-Agent": f"xiangyin-edge/{__version__}", **(headers or {})}
        if body is not None:
            raw = json.dumps(body, ensure_ascii=False).encode()
            sent["Content-Type"] = "application/json"
        began_s = time.monotonic()
        try:
            answer = self._pool.request(
                method, self._base + path, body=raw, headers=sent, preload_content=not stream,
                redirect=False, timeout=timeout,
            )  # fmt: skip
        except HTTPError as error:
            if self._may_forgive_dates(error):
                return self._send(
                    method, path, raw=raw, headers=sent, stream=stream, timeout=timeout
                )
            raise ServerUnreachable(f"no answer from the server: {error}") from error
        self._note_time(told.by_date(answer.headers.get("Date", ""), time.monotonic() - began_s))
        if answer.status >= 300 and answer.status != 304:
            raise _refusal(answer.status, answer.read() if stream else answer.data)
        return answer

    def _may_forgive_dates(self, error: HTTPError) -> bool:
        """Once: a clock that is wrong must not cut the box off from who can tell it the time."""
        if self.forgives_dates or self._ca_file is None or synchronised():
            return False
        if not trust.is_about_dates(error):
            return False
        log.warning("the clock of this box does not fit the server's certificate: %s", error)
        self._pool.clear()
        self._pool = trust.new_pool(self._ca_file, check_dates=False)
        self.forgives_dates = True
        return True

    def _note_time(self, found: Told | None) -> None:
        if found is not None:
            self.server_says(found)


def identity_from(answer: dict[str, Any], url: str, *, own_ca: bool, name: str) -> Identity:
    """The identity an enrolment answer describes; BadSettings when it lacks something."""
    try:
        mqtt = answer.get("mqtt")
        broker = None
        if mqtt and mqtt.get("host"):
            names = ("host", "port", "tls", "username", "password", "prefix")
            broker = Broker(**{key: mqtt[key] for key in names}, ca=mqtt.get("ca"))
            trust.of_broker(broker.ca, None)
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
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise BadSettings(f"the server's enrolment answer was not understood: {error!r}") from error
    return found


def _accept(sha256: str, part: Path, target: Path) -> None:
    digest = hashlib.sha256()
    with part.open("rb+") as handle:
        while chunk := handle.read(_CHUNK_BYTES):
            digest.update(chunk)
        os.fsync(handle.fileno())
    if digest.hexdigest() != sha256:
        part.unlink()
        raise ClipDamaged(f"file {sha256[:12]} came with other bytes")
    part.replace(target)
    sync_folder(target.parent)


def _refusal(status: int, content: bytes) -> ServerRefused:
    try:
        data = json.loads(content)
        words = str(data.get("detail") or data.get("title") or data)[:300]
        return ServerRefused(status, words, str(data.get("code") or ""))
    except (ValueError, AttributeError):
        return ServerRefused(status, content[:200].decode("utf-8", "replace"))
