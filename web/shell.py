"""What surrounds every request: language, nonce, headers, size limit, log line, last resort.

Plain ASGI, so that streams stay streams and an answer to a crash carries the same headers.
"""

from __future__ import annotations

import secrets
import time
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.settings import Settings
from web import errors, i18n, security

MB = 1_000_000
SPARE_BYTES = MB
"""Room beside the sound itself for form fields and the multipart dressing."""
QUIET_PATHS = ("/static/", "/healthz", "/speak/sound/")
log = structlog.get_logger("web.request")


class Shell:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, settings: Settings, session_cookie: str) -> None:
        self._app = app
        self._session_cookie = session_cookie
        self._public_limit = settings.report_upload_max_mb * MB + SPARE_BYTES
        self._member_limit = settings.upload_max_mb * MB + SPARE_BYTES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call = _Call(scope, send)
        limit = self._limit_bytes(scope)
        with i18n.speaking(call.language):
            try:
                await self._app(scope, _limited(scope, receive, limit), call.send)
            except Exception as error:
                await self._last_resort(scope, receive, call, error)
            finally:
                call.write_log()

    def _limit_bytes(self, scope: Scope) -> int:
        headers = Headers(scope=scope)
        known = "authorization" in headers or self._session_cookie in headers.get("cookie", "")
        return self._member_limit if known else self._public_limit

    async def _last_resort(
        self, scope: Scope, receive: Receive, call: _Call, error: Exception
    ) -> None:
        log.exception("request failed", path=scope["path"], request_id=call.id)
        if call.status is not None:
            raise error  # the answer is on its way: all we can do is to cut it off
        response = errors.crash_page(Request(scope, receive), call.id)
        await response(scope, receive, call.send)


class _Call:
    """One request: what it was, how it ended."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.id = secrets.token_hex(6)
        self.status: int | None = None
        self._scope = scope
        self._send = send
        self._began = time.perf_counter()
        self._wish = parse_qs(scope["query_string"].decode("latin-1")).get("lang", [""])[0]
        headers = Headers(scope=scope)
        self.language = i18n.choose(
            self._wish,
            _cookie(headers.get("cookie", ""), security.LANGUAGE_COOKIE),
            headers.get("accept-language"),
        )
        self._nonce = secrets.token_urlsafe(16)
        state: dict[str, Any] = scope.setdefault("state", {})
        state.update(nonce=self._nonce, request_id=self.id)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in security.headers(self._nonce).items():
                headers.setdefault(name, value)
            headers["x-request-id"] = self.id
            if self._wish in i18n.LANGUAGES:
                headers.append(
                    "set-cookie",
                    f"{security.LANGUAGE_COOKIE}={self._wish}; Path=/; Max-Age=31536000; "
                    "SameSite=Lax",
                )
        await self._send(message)

    def write_log(self) -> None:
        """One line a request: no query, no headers, no body, so no secret can be in it."""
        path: str = self._scope["path"]
        if path.startswith(QUIET_PATHS) and (self.status or 500) < 400:
            return
        actor = self._scope["state"].get("actor")
        route = self._scope.get("route")
        log.info(
            "request",
            request_id=self.id,
            method=self._scope["method"],
            route=getattr(route, "path", None) or "(no route)",
            status=self.status,
            duration_ms=round((time.perf_counter() - self._began) * 1000, 1),
            actor=actor.login if actor else None,
        )


def _limited(scope: Scope, receive: Receive, limit_bytes: int) -> Receive:
    declared = Headers(scope=scope).get("content-length", "0")
    left = limit_bytes

    async def counted() -> Message:
        nonlocal left
        if declared.isdigit() and int(declared) > limit_bytes:
            raise HTTPException(413)
        message = await receive()
        if message["type"] == "http.request":
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413)
        return message

    return counted


def _cookie(header: str, name: str) -> str | None:
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return None
    return found.value if found else None
