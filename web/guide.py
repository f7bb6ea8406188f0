"""The plain-HTTP page that brings phones and computers to trust the station's own CA.

It is the only thing served without TLS: one page, the CA's certificate, a QR code. Everything
else is redirected to the pages.
"""

from __future__ import annotations

import io
from pathlib import Path

import segno
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.settings import Settings
from web import addresses, i18n, pages, security

CA_MEDIA_TYPE = "application/x-x509-ca-cert"


def create_guide(settings: Settings, ca: Path | None) -> Starlette:
    """The guide; ``ca`` is the PEM file of the own CA, None when there is none to install."""
    guide = _Guide(settings, ca)
    return Starlette(
        routes=[
            Route("/", guide.page),
            Route("/ca.crt", guide.certificate),
            Route("/ca.pem", guide.certificate_pem),
            Route("/qr.svg", guide.qr_code),
            Mount("/static", StaticFiles(directory=pages.STATIC)),
            Route("/{rest:path}", guide.redirect, methods=["GET", "HEAD", "POST"]),
        ],
        middleware=[Middleware(_Headers)],
    )


class _Headers:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sender(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    *(
                        (name.encode(), value.encode())
                        for name, value in security.headers("none").items()
                    ),
                ]
            await send(message)

        await self._app(scope, receive, sender)


class _Guide:
    def __init__(self, settings: Settings, ca: Path | None) -> None:
        self._settings = settings
        self._ca = ca
        self._templates = pages.make_environment(settings.zone, settings.station_name)

    def _pages_url(self, request: Request) -> str:
        """Where the pages are, as seen from whoever asks: the host they used counts."""
        if self._settings.public_base_url or not request.url.hostname:
            return addresses.base_url(self._settings)
        port = self._settings.web_port
        host = addresses.bracketed(request.url.hostname)
        return f"https://{host}" + ("" if port == 443 else f":{port}")

    def page(self, request: Request) -> Response:
        """How to install the CA, by kind of device."""
        language = i18n.choose(
            request.query_params.get("lang"),
            request.cookies.get(security.LANGUAGE_COOKIE),
            request.headers.get("accept-language"),
        )
        with i18n.speaking(language):
            text = self._templates.get_template("web/guide.html").render(
                lang=language,
                url=self._pages_url(request),
                device=_device(request.headers.get("user-agent", "")),
                fingerprint=self._fingerprint(),
            )
        return HTMLResponse(text, headers={"cache-control": "no-store"})

    def _certificate(self) -> x509.Certificate | None:
        return x509.load_pem_x509_certificate(self._ca.read_bytes()) if self._ca else None

    def _fingerprint(self) -> str | None:
        certificate = self._certificate()
        if certificate is None:
            return None
        return certificate.fingerprint(hashes.SHA256()).hex(" ", 2).upper()

    def certificate(self, request: Request) -> Response:
        """The CA's certificate as phones and Windows install it (DER)."""
        return self._download(serialization.Encoding.DER, "crt", CA_MEDIA_TYPE)

    def certificate_pem(self, request: Request) -> Response:
        """The CA's certificate for village players and programs (PEM)."""
        return self._download(serialization.Encoding.PEM, "pem", "application/x-pem-file")

    def _download(self, encoding: serialization.Encoding, end: str, media_type: str) -> Response:
        certificate = self._certificate()
        if certificate is None:
            return Response("404", 404, media_type="text/plain")
        return Response(
            certificate.public_bytes(encoding),
            media_type=media_type,
            headers={"content-disposition": f'attachment; filename="xiangyin-ca.{end}"'},
        )

    def qr_code(self, request: Request) -> Response:
        """The pages' address as a QR code."""
        return Response(qr_svg(self._pages_url(request)), media_type="image/svg+xml")

    def redirect(self, request: Request) -> Response:
        """The same path on the pages; 307 keeps the method, so nothing is changed by mistake."""
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(self._pages_url(request) + path, 307)


def qr_svg(text: str) -> bytes:
    """``text`` as a QR code, an SVG image."""
    out = io.BytesIO()
    segno.make(text, error="m").save(out, kind="svg", scale=8, border=4, light="#fff")
    return out.getvalue()


def _device(user_agent: str) -> str:
    for mark, device in (
        ("HarmonyOS", "android"),
        ("Android", "android"),
        ("iPhone", "iphone"),
        ("iPad", "iphone"),
        ("Windows", "windows"),
    ):
        if mark in user_agent:
            return device
    return "other"
