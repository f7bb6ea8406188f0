"""Asterisk's REST Interface: orders by HTTP, events by WebSocket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import structlog
import websockets
from websockets.asyncio.client import connect

from core.errors import N_, InvalidInput
from core.settings import Settings
from hotline.asterisk import events
from hotline.asterisk.events import Event

log = structlog.get_logger(__name__)

ORDER_LIMIT_S = 5.0
RETRY_S = (0.2, 0.5, 1.0, 2.0)
"""Asterisk restarts its HTTP server while it reloads; an order is repeated that long."""
PIECE_BYTES = 1 << 16


class ChannelGone(Exception):
    """The channel, playback or recording is not there any more (404), or not ours (409)."""


class Trouble(Exception):
    """Asterisk did not answer, or refused an order for another reason."""


def checked(settings: Settings) -> None:
    """Raise InvalidInput that names the setting which keeps us from talking to Asterisk."""
    parts = urlsplit(settings.ari_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInput(
            N_("XIANGYIN_ARI_URL: write Asterisk's address, such as http://10.0.0.5:8088."),
            field="XIANGYIN_ARI_URL",
        )
    if not settings.ari_user or not settings.ari_password:
        raise InvalidInput(
            N_("XIANGYIN_ARI_USER and XIANGYIN_ARI_PASSWORD: write what ari.conf says."),
            field="XIANGYIN_ARI_USER",
        )
    if "{number}" not in settings.ari_dial:
        raise InvalidInput(
            N_("XIANGYIN_ARI_DIAL: it must hold {number}, such as PJSIP/{number}@trunk."),
            field="XIANGYIN_ARI_DIAL",
        )


class Ari:
    """Orders to one Asterisk; ``close`` it at the end."""

    def __init__(self, settings: Settings) -> None:
        checked(settings)
        self._settings = settings
        self._root = settings.ari_url.rstrip("/") + "/ari"
        self._http = httpx.AsyncClient(
            auth=(settings.ari_user, settings.ari_password),
            timeout=ORDER_LIMIT_S,
            limits=httpx.Limits(max_connections=50),
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def order(
        self,
        method: str,
        *path: str,
        params: Mapping[str, str | int] | None = None,
        body: Mapping[str, object] | None = None,
        again_s: Sequence[float] = RETRY_S,
    ) -> Any:
        """One order; its JSON answer or None. Raises ChannelGone or Trouble.

        Parts of ``path`` are quoted. An order that found nobody is repeated after each of
        ``again_s``; one that was answered never is.
        """
        url = "/".join([self._root, *(quote(part, safe="") for part in path)])
        for wait_s in (*again_s, None):
            try:
                answer = await self._http.request(method, url, params=params, json=body)
                break
            except httpx.TransportError as error:
                if wait_s is None or isinstance(error, httpx.ReadTimeout):
                    raise Trouble(f"{method} {path[0]}: {error!r}") from error
                await asyncio.sleep(wait_s)
        if answer.status_code in (404, 409):
            raise ChannelGone(f"{method} {'/'.join(path)}: {answer.status_code}")
        if answer.status_code >= 300:
            raise Trouble(f"{method} {path[0]}: {answer.status_code}")
        return answer.json() if answer.content else None

    async def fetch(self, name: str, target: Path) -> None:
        """A stored recording's file as ``target`` (not yet fsynced). ChannelGone or Trouble."""
        url = f"{self._root}/recordings/stored/{quote(name, safe='')}/file"
        try:
            async with self._http.stream("GET", url, timeout=60) as answer:
                if answer.status_code in (404, 409):
                    raise ChannelGone(name)
                if answer.status_code >= 300:
                    raise Trouble(f"recording {name}: {answer.status_code}")
                with target.open("wb") as out:
                    async for piece in answer.aiter_bytes(PIECE_BYTES):
                        out.write(piece)
        except httpx.TransportError as error:
            raise Trouble(f"recording {name}: {error!r}") from error

    async def listen(self) -> AsyncIterator[Event]:
        """Events as they come. Raises Trouble when the line breaks; then listen again."""
        split = urlsplit(self._root)
        scheme = "wss" if split.scheme == "https" else "ws"
        key = quote(f"{self._settings.ari_user}:{self._settings.ari_password}", safe=":")
        app = quote(self._settings.ari_app, safe="")
        address = f"{scheme}://{split.netloc}{split.path}/events?app={app}&api_key={key}"
        try:
            async with connect(address, open_timeout=ORDER_LIMIT_S, max_size=1 << 20) as line:
                yield events.Listening()
                async for text in line:
                    event = _read(text)
                    if event is not None:
                        yield event
        except (OSError, websockets.WebSocketException, TimeoutError) as error:
            raise Trouble(_without_key(error)) from None
        raise Trouble("Asterisk closed the line")


def _read(text: str | bytes) -> Event | None:
    try:
        raw = json.loads(text)
    except ValueError:
        return None
    return events.parse(raw) if isinstance(raw, dict) else None


def _without_key(error: Exception) -> str:
    """The kind of error alone: its text may hold the address, which holds the password."""
    status = getattr(getattr(error, "response", None), "status_code", "")
    return f"{type(error).__name__} {status}".strip()
