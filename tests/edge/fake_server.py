"""A server that honours the player's contract, and misbehaves when told to."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tests.edge.authority import Authority

AREA = "610111001201"


def z(moment: datetime) -> str:
    """ISO with Z, as the server writes it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


@dataclass
class FakeServer:
    """Everything the tests look at or turn."""

    authority: Authority
    host: str = "127.0.0.1"
    mqtt: dict[str, Any] | None = None
    signing_key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    codes: set[str] = field(default_factory=lambda: {"TOWN-0001"})
    clips: dict[str, bytes] = field(default_factory=dict)
    plays: list[dict[str, Any]] = field(default_factory=list)
    version: int = 0
    issued_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    envelope: bytes | None = None
    receipts: dict[int, dict[str, Any]] = field(default_factory=dict)
    sounded: dict[int, bytes] = field(default_factory=dict)
    health: list[dict[str, Any]] = field(default_factory=list)
    approved: bool = True
    commands: list[dict[str, str]] = field(default_factory=list)
    answers: dict[str, tuple[str, str]] = field(default_factory=dict)
    releases: dict[str, bytes] = field(default_factory=dict)
    revoked: bool = False
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    sent_bytes: int = 0
    # misbehaviour
    down: bool = False
    cut_between: tuple[int, int] | None = None
    corrupt_clips: int = 0
    clip_pause_s: float = 0.0
    """Before each 64 KB of a clip: a thin line."""
    drop_answers_to: set[str] = field(default_factory=set)
    hold: threading.Event | None = None
    held: threading.Event = field(default_factory=threading.Event)
    receipts_status: int = 200
    ahead: timedelta = timedelta(0)
    orders_quiet: bool = False

    public_key: Ed25519PublicKey | None = None
    token: str = "token-1"
    chance: random.Random = field(default_factory=lambda: random.Random(3))

    def now(self) -> datetime:
        """By the server's own clock."""
        return datetime.now(UTC) + self.ahead

    @contextmanager
    def running(self) -> Iterator[FakeServer]:
        """Serve until the block ends."""
        handler = type("Handler", (_Handler,), {"town": self})
        server = _Server((self.host, 0), handler)
        server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.authority.cert, self.authority.key)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.url = f"https://{self.host}:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def add_clip(self, content: bytes, duration_ms: int) -> dict[str, Any]:
        """Keep a clip; returns its description for a play."""
        sha256 = hashlib.sha256(content).hexdigest()
        self.clips[sha256] = content
        return {
            "sha256": sha256,
            "size_bytes": len(content),
            "duration_ms": duration_ms,
            "media_type": "audio/ogg",
        }

    def add_play(
        self,
        play_id: int,
        starts_at: datetime,
        clip: dict[str, Any],
        *,
        make_up_s: float = 3600,
        priority: int = 50,
    ) -> dict[str, Any]:
        """Plan a play; ``publish`` makes it known."""
        play = {
            "play_id": play_id,
            "revision": 1,
            "starts_at": z(starts_at),
            "make_up_until": z(starts_at + timedelta(seconds=make_up_s)),
            "priority": priority,
            "programme": "所长说法",
            "title": f"第{play_id}期",
            "clip": clip,
        }
        self.plays = [other for other in self.plays if other["play_id"] != play_id] + [play]
        return play

    def publish(self, issued_at: datetime | None = None) -> bytes:
        """Sign the plays as they are now."""
        self.version += 1
        self.issued_at = issued_at or datetime.now(UTC)
        self.envelope = self.signed(self.payload())
        return self.envelope

    def payload(self, **changes: Any) -> dict[str, Any]:
        """What would be signed now."""
        return {
            "schema": 1,
            "area_code": AREA,
            "version": self.version,
            "issued_at": z(self.issued_at),
            "valid_until": z(self.issued_at + timedelta(days=7)),
            "plays": self.plays,
            **({"quiet": True} if self.orders_quiet else {}),
            **changes,
        }

    def signed(self, payload: dict[str, Any], key: Ed25519PrivateKey | None = None) -> bytes:
        """The envelope around ``payload``."""
        signer = key or self.signing_key
        text = json.dumps(payload, ensure_ascii=False)
        raw = signer.public_key().public_bytes_raw()
        return json.dumps(
            {
                "payload": text,
                "signature": base64.b64encode(signer.sign(text.encode())).decode(),
                "key_id": hashlib.sha256(raw).hexdigest()[:16],
            }
        ).encode()

    def take_receipts(self, receipts: list[dict[str, Any]]) -> int:
        """Store by (player, seq) after checking hash, chain and signature."""
        assert self.public_key is not None
        for receipt in receipts:
            body = json.loads(receipt["body"])
            digest = hashlib.sha256((receipt["previous_hash"] + receipt["body"]).encode())
            assert digest.hexdigest() == receipt["hash"]
            self.public_key.verify(
                base64.b64decode(receipt["signature"]), receipt["hash"].encode("ascii")
            )
            before = self.receipts.get(body["seq"] - 1)
            if before is None and receipt["previous_hash"]:
                break  # a gap ends the batch
            assert receipt["previous_hash"] in ("", before["hash"] if before else "")
            known = self.receipts.setdefault(body["seq"], {**body, "hash": receipt["hash"]})
            assert known["hash"] == receipt["hash"], "a number was used twice"
        return max(self.receipts, default=0)

    def outcomes(self) -> dict[int, tuple[str, str | None]]:
        """What the receipts say of each play; a second receipt of a play is an error."""
        found: dict[int, tuple[str, str | None]] = {}
        for receipt in self.receipts.values():
            assert receipt["play_id"] not in found, "two receipts for one play"
            found[receipt["play_id"]] = (receipt["outcome"], receipt["reason"])
        return found


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_request: object) -> None:
        """Boxes are killed in the middle of requests here; that is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20
    town: FakeServer

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(timestamp or self.town.now().timestamp())

    def log_message(self, *_arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        if not self._may_go_on("GET"):
            return
        path = self.path.removeprefix("/edge/v1")
        if path == "/manifest":
            self._manifest()
        elif path.startswith("/clips/"):
            self._clip(path.removeprefix("/clips/"))
        elif path.startswith("/releases/"):
            self._file(self.town.releases.get(path.removeprefix("/releases/")))
        else:
            self._answer(404, {"title": "Not found"})

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self._may_go_on("POST"):
            return
        path, town = self.path.removeprefix("/edge/v1"), self.town
        answer: dict[str, Any] = {}
        status = 200
        if path == "/enrol":
            status, answer = self._enrol(json.loads(content))
        elif path == "/receipts":
            if town.hold is not None:
                town.held.set()
                town.hold.wait(20)
            if town.receipts_status != 200:
                self._answer(town.receipts_status, {"title": "Refused"})
                return
            answer = {"acknowledged_seq": town.take_receipts(json.loads(content)["receipts"])}
        elif path.endswith("/sounded"):
            town.sounded[int(path.split("/")[2])] = content
        elif path == "/health":
            town.health.append(json.loads(content))
            answer = {"ok": True, "approved": town.approved, "commands": town.commands}
            answer["now"] = town.now().isoformat()
        elif path.startswith("/commands/"):
            said = json.loads(content)
            town.answers[path.split("/")[2]] = (said["result"], said["detail"])
        if path in town.drop_answers_to:
            self._hang_up()
            return
        self._answer(status, answer)

    def _may_go_on(self, method: str) -> bool:
        town = self.town
        town.requests.append((method, self.path, dict(self.headers)))
        if town.down:
            self._hang_up()
            return False
        token = self.headers.get("Authorization")
        if town.revoked and not self.path.endswith("/enrol"):
            self._answer(401, {"title": "Shut out", "code": "revoked"})
            return False
        if not self.path.endswith("/enrol") and token != f"Bearer {town.token}":
            self._answer(401, {"title": "Unknown player"})
            return False
        return True

    def _enrol(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        town = self.town
        if body["code"] not in town.codes:
            return 422, {"title": "This code is wrong, used or too old."}
        raw = base64.b64decode(body["public_key"])
        town.public_key = Ed25519PublicKey.from_public_bytes(raw)
        return 201, {
            "player_id": "p-1",
            "area_code": AREA,
            "token": town.token,
            "server_key": base64.b64encode(
                town.signing_key.public_key().public_bytes_raw()
            ).decode(),
            "zone": "Asia/Shanghai",
            "mqtt": town.mqtt,
        }

    def _manifest(self) -> None:
        content = self.town.envelope or self.town.publish()
        if not self.town.approved:
            content = self.town.signed(self.town.payload(plays=[]))
        etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        if self.headers.get("If-None-Match") == etag:
            self.send_response(304)
            self.send_header("ETag", etag)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._answer(200, content, {"ETag": etag})

    def _clip(self, sha256: str) -> None:
        self._file(self.town.clips.get(sha256))

    def _file(self, content: bytes | None) -> None:
        town = self.town
        if content is None:
            self._answer(404, {"title": "Not found"})
            return
        sha256, start, status = hashlib.sha256(content).hexdigest(), 0, 200
        headers = {"ETag": f'"{sha256}"', "Accept-Ranges": "bytes"}
        wanted = self.headers.get("Range")
        if wanted and self.headers.get("If-Range") in (None, f'"{sha256}"'):
            start, status = int(wanted.removeprefix("bytes=").split("-")[0]), 206
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        body = content[start:]
        if town.corrupt_clips > 0:
            town.corrupt_clips -= 1
            body = body[:-1] + bytes([body[-1] ^ 1])
        cut = town.chance.randint(*town.cut_between) if town.cut_between else len(body)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        for begin in range(0, cut, 1 << 16):
            time.sleep(town.clip_pause_s)
            self.wfile.write(body[begin : min(begin + (1 << 16), cut)])
        town.sent_bytes += len(body[:cut])
        if cut < len(body):
            self._hang_up()

    def _answer(
        self, status: int, body: bytes | dict[str, Any], headers: dict[str, str] | None = None
    ) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _hang_up(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        self.connection.close()
