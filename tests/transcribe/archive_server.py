"""A web server for one archive, with the moods of real ones: it breaks off, it changes, it lies."""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest import mock


@dataclass
class Archive:
    """What the server gives at every path, and how.

    ``asked``: Range headers it saw, in order; ``versions``: If-Range headers likewise.

    ``statuses`` are answered first, one a request (a redirect goes to ``moved_to``).
    ``break_after``: bytes of a body after which the connection ends, one entry a request.
    ``ranges``: whether it can give a part, of ``most_a_part`` bytes at most. ``pace_s``: pause
    after each 64 KB.
    """

    content: bytes
    etag: str | None = '"one"'
    statuses: list[int] = field(default_factory=list)
    moved_to: str = ""
    break_after: list[int] = field(default_factory=list)
    ranges: bool = True
    most_a_part: int | None = None
    heeds_if_range: bool = True
    says_length: bool = True
    pace_s: float = 0.0
    asked: list[str | None] = field(default_factory=list)
    versions: list[str | None] = field(default_factory=list)
    sent: int = 0
    """Bytes of bodies sent so far."""


class _Handler(BaseHTTPRequestHandler):
    archive: Archive
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None: ...

    def do_GET(self) -> None:
        archive = self.archive
        archive.asked.append(self.headers.get("range"))
        archive.versions.append(self.headers.get("if-range"))
        self.close_connection = True
        if archive.statuses:
            self.send_response(archive.statuses.pop(0))
            self.send_header("Location", archive.moved_to)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        begin = self._begin()
        if begin is not None and begin >= len(archive.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(archive.content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200 if begin is None else 206)
        body = archive.content[begin or 0 :]
        if begin is not None:
            body, whole = body[: archive.most_a_part], len(archive.content)
            self.send_header("Content-Range", f"bytes {begin}-{begin + len(body) - 1}/{whole}")
        if archive.etag:
            self.send_header("ETag", archive.etag)
        if archive.says_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self._send(body)

    def _begin(self) -> int | None:
        asked, wanted = self.headers.get("range"), self.headers.get("if-range")
        if asked is None or not self.archive.ranges:
            return None
        if self.archive.heeds_if_range and wanted not in (None, self.archive.etag):
            return None
        return int(asked.removeprefix("bytes=").partition("-")[0])

    def _send(self, body: bytes) -> None:
        archive = self.archive
        limit = archive.break_after.pop(0) if archive.break_after else len(body)
        for start in range(0, min(limit, len(body)), 65536):
            piece = body[start : min(start + 65536, limit)]
            self.wfile.write(piece)
            archive.sent += len(piece)
            time.sleep(archive.pace_s)


@contextmanager
def serving(archive: Archive, certificate: tuple[Path, Path] | None = None) -> Iterator[str]:
    """Serve ``archive`` at the address given, over HTTPS with ``certificate`` (chain, key).

    No proxy of the environment stands between.
    """
    handler = type("Handler", (_Handler,), {"archive": archive})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    direct = {"NO_PROXY": "localhost", "no_proxy": "localhost"}
    try:
        with mock.patch.dict(os.environ, direct):
            yield f"{scheme}://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
