"""Cookies, form tokens and the headers that keep foreign scripts out.

Every request that changes something and is known by a cookie must carry a token made for that
cookie, in the form field ``csrf_token`` or the header ``X-CSRF-Token``. The check stands before
every route of the application, so that no page can forget it.
"""

from __future__ import annotations

import hashlib
import secrets

from fastapi import Request
from itsdangerous import BadSignature, URLSafeSerializer
from starlette.responses import Response

from core.errors import N_, Forbidden, XiangyinError
from core.sealed import secret_key
from core.settings import Settings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
TOKEN_PREFIXES = ("/edge/", "/open311/", "/api/v1/intake/")
"""Paths for programs alone: cookies mean nothing there, so a foreign page gains nothing."""
CSRF_FIELD = "csrf_token"
CSRF_HEADER = "x-csrf-token"
SESSION_MAX_AGE_S = 12 * 3600
VISITOR_MAX_AGE_S = 12 * 3600
LANGUAGE_COOKIE = "xiangyin_lang"


class SignInNeeded(XiangyinError):
    """Nobody is logged in; pages lead to the login, programs get a 401."""

    code = "sign_in_needed"
    http_status = 401

    def __init__(self) -> None:
        super().__init__(N_("Please log in first."))


class PasswordMustChange(XiangyinError):
    """The password was set by somebody else; nothing works before it is changed."""

    code = "password_must_change"
    http_status = 403

    def __init__(self) -> None:
        super().__init__(N_("Choose a password of your own first."))


class FormTooOld(Forbidden):
    """The form's token is missing or belongs to another session."""

    code = "form_too_old"

    def __init__(self) -> None:
        super().__init__(
            N_("This form is too old or was opened elsewhere. Go back, reload it, send it again.")
        )


class Security:
    """Names and signs the cookies of one installation."""

    def __init__(self, settings: Settings) -> None:
        self.is_secure = settings.web_tls != "off" or settings.public_base_url.startswith("https:")
        prefix = "__Host-" if self.is_secure else ""
        self.session_cookie = f"{prefix}xiangyin_session"
        self.visitor_cookie = f"{prefix}xiangyin_visitor"
        self._signer = URLSafeSerializer(secret_key(settings), salt="xiangyin-csrf")

    def session_token(self, request: Request) -> str | None:
        """The session cookie's value."""
        return request.cookies.get(self.session_cookie)

    def log_in(self, response: Response, token: str) -> None:
        """Give the browser its session."""
        self._set(response, self.session_cookie, token, SESSION_MAX_AGE_S)

    def log_out(self, response: Response) -> None:
        """Take the session from the browser."""
        response.delete_cookie(
            self.session_cookie, secure=self.is_secure, httponly=True, samesite="lax"
        )

    def _set(self, response: Response, name: str, value: str, max_age_s: int) -> None:
        response.set_cookie(
            name,
            value,
            max_age=max_age_s,
            path="/",
            secure=self.is_secure,
            httponly=True,
            samesite="lax",
        )

    def csrf_token(self, request: Request) -> str:
        """A token for forms shown to this browser; someone without a cookie is given one later."""
        return self._signer.dumps(_fingerprint(self._browser(request) or self._greet(request)))

    def _browser(self, request: Request) -> str | None:
        return self.session_token(request) or request.cookies.get(self.visitor_cookie)

    def _greet(self, request: Request) -> str:
        if not hasattr(request.state, "new_visitor"):
            request.state.new_visitor = secrets.token_urlsafe(24)
        return str(request.state.new_visitor)

    def finish(self, request: Request, response: Response) -> None:
        """Hand out the visitor cookie when a form was shown to someone without any."""
        visitor = getattr(request.state, "new_visitor", None)
        if visitor is not None:
            self._set(response, self.visitor_cookie, visitor, VISITOR_MAX_AGE_S)

    def token_fits(self, request: Request, token: str) -> bool:
        """Whether ``token`` was made for the browser that sends it."""
        browser = self._browser(request)
        if browser is None or not token:
            return False
        try:
            signed = self._signer.loads(token)
        except BadSignature:
            return False
        return isinstance(signed, str) and secrets.compare_digest(signed, _fingerprint(browser))


def _fingerprint(browser: str) -> str:
    return hashlib.sha256(browser.encode()).hexdigest()[:32]


async def guard(request: Request) -> None:
    """Refuse a change without a fitting token; a dependency of the whole application."""
    if request.method in SAFE_METHODS or _speaks_by_token(request):
        return
    if request.headers.get("sec-fetch-site") == "cross-site":
        raise FormTooOld
    token = request.headers.get(CSRF_HEADER, "")
    content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if not token and content_type in FORM_TYPES:
        value = (await request.form()).get(CSRF_FIELD, "")
        token = value if isinstance(value, str) else ""
    security: Security = request.app.state.security
    if not security.token_fits(request, token):
        raise FormTooOld


def _speaks_by_token(request: Request) -> bool:
    path = request.url.path
    if path.startswith(TOKEN_PREFIXES):
        return True
    return path.startswith("/api/") and "authorization" in request.headers


def content_security_policy(nonce: str) -> str:
    """Only our own files, and only scripts that carry this answer's nonce."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'nonce-{nonce}'",
            f"style-src 'self' 'nonce-{nonce}'",
            "img-src 'self' data: blob:",
            "media-src 'self' blob:",
            "font-src 'self'",
            "connect-src 'self'",
            "worker-src 'self' blob:",
            "manifest-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    )


def headers(nonce: str) -> dict[str, str]:
    """Headers of every answer. No HSTS: it would lock out phones that lack our own CA."""
    return {
        "content-security-policy": content_security_policy(nonce),
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "same-origin",
        "permissions-policy": (
            "microphone=(self), camera=(), geolocation=(), payment=(), usb=(), display-capture=()"
        ),
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }
