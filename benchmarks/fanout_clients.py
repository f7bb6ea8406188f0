"""A thousand simulated players in one process: MQTT to be woken, HTTPS to fetch and to answer.

They speak both protocols by hand, so that the machine's time goes to the servers that are
measured; their pauses are those of the real player (edge/mqtt.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import ssl
import time
from dataclasses import dataclass, field
from typing import Any

from broadcast.models import OVERRIDE_IDS

FIRST_RETRY_S, LONGEST_RETRY_S, LOOK_AFTER_S = (0.5, 2.5), 30.0, 10.0
KEEPALIVE_S = 30
ANSWER_WITHIN_S = 60.0


@dataclass(frozen=True)
class Account:
    """One enrolled player."""

    player_id: str
    area_code: str
    token: str
    mqtt_password: str

    @property
    def prefix(self) -> str:
        return f"xiangyin/{self.area_code}/{self.player_id}"


@dataclass(frozen=True)
class Servers:
    """Where everything listens on 127.0.0.1, and the authority that vouches for it."""

    web_port: int
    mqtt_port: int
    trust: ssl.SSLContext


@dataclass
class Player:
    """One box. Times are of ``time.monotonic``, in seconds."""

    account: Account
    servers: Servers
    poll_s: float | None = None
    online: bool = False
    connects: int = 0
    refused: int = 0
    heard_at: float | None = None
    fetched_at: float | None = None
    answered_at: float | None = None
    rounds_known: set[int] = field(default_factory=set)
    etag: str | None = None
    version: int | None = None
    faults: list[str] = field(default_factory=list)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def expect_override(self) -> None:
        """Forget the last one; a list with a round that was not seen yet counts from here on."""
        self.heard_at = self.fetched_at = self.answered_at = None

    async def live(self) -> None:
        """Be woken, fetch, answer; until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._fetch_when_woken())
            tasks.create_task(self._poll())

    async def _poll(self) -> None:
        while True:
            pause_s = self.poll_s or 1.0
            await asyncio.sleep(random.uniform(0, pause_s) if self.poll_s else pause_s)
            while self.poll_s:
                self._woken.set()
                await asyncio.sleep(self.poll_s)

    # --- HTTPS ------------------------------------------------------------------------------------

    async def _fetch_when_woken(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    await self._round()
            except (OSError, TimeoutError, ValueError, EOFError) as error:
                self.faults.append(repr(error)[:100])
                await asyncio.sleep(random.uniform(1, 3))
                self._woken.set()

    async def _round(self) -> None:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.servers.web_port, ssl=self.servers.trust, server_hostname="localhost"
        )
        try:
            asked = f"If-None-Match: {self.etag}\r\n" if self.etag else ""
            status, headers, body = await self._ask(reader, writer, "GET", "manifest", asked)
            if status not in (200, 304):
                raise ValueError(f"manifest: {status}")
            if status == 200:
                self.etag = headers.get("etag")
                self._take(json.loads(json.loads(body)["payload"]))
            if self.fetched_at is None or self.answered_at is not None:
                return
            health = json.dumps({"manifest_version": self.version})
            sent = f"Content-Type: application/json\r\nContent-Length: {len(health)}\r\n"
            status, _, _ = await self._ask(reader, writer, "POST", "health", sent, health)
            if status != 200:
                raise ValueError(f"health: {status}")
            self.answered_at = time.monotonic()
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _take(self, manifest: dict[str, Any]) -> None:
        self.version = manifest["version"]
        rounds = {each["play_id"] for each in manifest["plays"]} - self.rounds_known
        rounds = {each for each in rounds if each > OVERRIDE_IDS}
        self.rounds_known |= rounds
        if rounds and self.fetched_at is None:
            self.fetched_at = time.monotonic()

    async def _ask(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        method: str,
        path: str,
        headers: str,
        body: str = "",
    ) -> tuple[int, dict[str, str], bytes]:
        host = f"Host: localhost:{self.servers.web_port}\r\n"
        token = f"Authorization: Bearer {self.account.token}\r\n"
        writer.write(
            f"{method} /edge/v1/{path} HTTP/1.1\r\n{host}{token}{headers}\r\n{body}".encode()
        )
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        found = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines if line)
        }
        content = await reader.readexactly(int(found.get("content-length", 0)))
        return int(first.split()[1]), found, content

    # --- MQTT -------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        first_s = random.uniform(*FIRST_RETRY_S)
        retry_s = first_s
        while True:
            with contextlib.suppress(OSError, EOFError, TimeoutError):
                await self._one_connection()
            if self.online:
                self.online, retry_s = False, first_s
            await asyncio.sleep(retry_s)
            retry_s = min(retry_s * 2, LONGEST_RETRY_S)

    async def _one_connection(self) -> None:
        async with asyncio.timeout(20):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1",
                self.servers.mqtt_port,
                ssl=self.servers.trust,
                server_hostname="localhost",
            )
        pinging = asyncio.create_task(_ping(writer))
        try:
            async with asyncio.timeout(20):
                writer.write(_connect(self.account))
                kind, body = await _packet(reader)
                if kind >> 4 != 2 or body[1] != 0:
                    self.refused += 1
                    raise EOFError("refused")
                writer.write(_subscribe(self.account))
            while True:
                kind, body = await _packet(reader)
                if kind >> 4 == 9:
                    self._came_in(writer)
                elif kind >> 4 == 3:
                    self._heard(writer, kind, body)
        finally:
            pinging.cancel()
            writer.close()

    def _came_in(self, writer: asyncio.StreamWriter) -> None:
        writer.write(_publish(f"{self.account.prefix}/state", '{"online": true}', retain=True))
        self.online = True
        self.connects += 1
        if self.connects > 1:
            delay_s = random.uniform(0, LOOK_AFTER_S)
            asyncio.get_running_loop().call_later(delay_s, self._woken.set)

    def _heard(self, writer: asyncio.StreamWriter, kind: int, body: bytes) -> None:
        length = int.from_bytes(body[:2], "big")
        if kind & 0b110:
            writer.write(b"\x40\x02" + body[2 + length : 4 + length])
        if self.heard_at is None:
            self.heard_at = time.monotonic()
        self._woken.set()


async def _ping(writer: asyncio.StreamWriter) -> None:
    while True:
        await asyncio.sleep(KEEPALIVE_S * random.uniform(0.8, 1.0))
        writer.write(b"\xc0\x00")


async def _packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """(first byte, the rest without its length)."""
    kind = (await reader.readexactly(1))[0]
    length, factor = 0, 1
    while True:
        byte = (await reader.readexactly(1))[0]
        length += (byte & 127) * factor
        factor *= 128
        if byte < 128:
            return kind, await reader.readexactly(length)


def _text(value: str) -> bytes:
    raw = value.encode()
    return len(raw).to_bytes(2, "big") + raw


def _whole(kind: int, body: bytes) -> bytes:
    length, rest = b"", len(body)
    while True:
        rest, digit = divmod(rest, 128)
        length += bytes([digit | 128 if rest else digit])
        if not rest:
            return bytes([kind]) + length + body


def _connect(account: Account) -> bytes:
    # A kept session, a will (QoS 1, retained), name and password.
    head = _text("MQTT") + bytes([4, 0b11101100]) + KEEPALIVE_S.to_bytes(2, "big")
    will = _text(f"{account.prefix}/state") + _text('{"online": false}')
    proof = _text(account.player_id) + _text(account.mqtt_password)
    return _whole(0x10, head + _text(account.player_id) + will + proof)


def _subscribe(account: Account) -> bytes:
    topics = b"".join(_text(f"{account.prefix}/{end}") + b"\x01" for end in ("wake", "command"))
    return _whole(0x82, b"\x00\x01" + topics)


def _publish(topic: str, text: str, *, retain: bool) -> bytes:
    return _whole(0x33 if retain else 0x32, _text(topic) + b"\x00\x02" + text.encode())
