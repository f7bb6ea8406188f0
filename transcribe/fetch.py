"""Fetching one large file over HTTPS so that a broken link or a killed process costs nothing.

What came lies in ``<name>.part`` beside the target, and in ``<name>.part.json`` what the server
said of it. The next try asks for the rest (``Range``) of the same version (``If-Range``); a server
that ignores this, or has another version by now, begins anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from core.errors import N_, InvalidInput, Unavailable
from transcribe import http_get, unpack

MAX_BYTES = 4 * 10**9
"""The largest public Chinese model is an archive of 1.3 GB."""

UNPACKED_PER_PACKED = 2
PIECE_BYTES = 256 * 1024
TRIES = 5
PAUSE_S = 1.0
"""Wait after the first failure; doubled after each further one that brought nothing new."""

_BUSY = (408, 425, 429, 500, 502, 503, 504)
_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Progress:
    """``total_bytes`` is None while the server has not said it; ``rate`` in bytes a second."""

    done_bytes: int
    total_bytes: int | None
    rate: float

    @property
    def left_s(self) -> float | None:
        """Seconds left at this rate, None when nobody can tell."""
        if self.total_bytes is None or not self.rate:
            return None
        return (self.total_bytes - self.done_bytes) / self.rate


def nothing(_: Progress) -> None: ...


class _BrokeOff(Exception):
    """This try ended early; another one may go on."""


def file_name(url: str) -> str:
    """Name of the file at ``url``, made safe; InvalidInput when it is no address of one."""
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise InvalidInput(N_("Give a full address: https://…"), field="url")
    return _UNSAFE.sub("_", unquote(parts.path.rpartition("/")[2])).strip("._") or "model.zip"


def without_secrets(url: str) -> str:
    """The address without login, query and fragment: what may be written down."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def target(url: str, folder: Path) -> Path:
    """Where the file at ``url`` is fetched to; files of one name from two places stay apart."""
    return folder / f"{hashlib.sha256(url.encode()).hexdigest()[:8]}-{file_name(url)}"


def fetch(
    url: str,
    target: Path,
    *,
    hash_is_known: bool,
    size_bytes: int | None = None,
    max_bytes: int = MAX_BYTES,
    on_progress: Callable[[Progress], None] = nothing,
    pause_s: float = PAUSE_S,
) -> None:
    """Fetch ``url`` to ``target``, which appears when it is whole.

    ``hash_is_known``: the caller will compare the file with a trustworthy hash, so that plain HTTP
    is allowed. ``size_bytes``: size it must have, if known. Raises InvalidInput (wrong address,
    not there, too large, no space, bad certificate) or Unavailable: what came is kept, and the
    same call goes on.
    """
    download = _Download(url, target, hash_is_known, size_bytes, max_bytes, on_progress)
    failures = 0
    while True:
        before = download.have
        try:
            download.go_on()
            break
        except (HTTPError, OSError, _BrokeOff) as error:
            http_get.refuse_if_hopeless(error)
            failures = failures + 1 if download.have <= before else 1
            if failures == TRIES:
                raise _given_up(download.have, error) from error
            time.sleep(pause_s * 2 ** (failures - 1))
    download.finish()


def _given_up(kept_bytes: int, error: Exception) -> Unavailable:
    reason = str(error)[:200]
    if not kept_bytes:
        return Unavailable(
            N_(
                "The server cannot be reached or gives nothing (%(reason)s). Check network and "
                "proxy (HTTPS_PROXY), or use --mirror or --zip."
            ),
            params={"reason": reason},
        )
    return Unavailable(
        N_(
            "The download broke off after %(done_mb)d MB (%(reason)s). What came is kept: give "
            "the same command again to go on."
        ),
        params={"done_mb": kept_bytes // 10**6, "reason": reason},
    )


class _Download:
    """One file on its way; each ``go_on`` is one request and may break off."""

    def __init__(
        self,
        url: str,
        target: Path,
        hash_is_known: bool,
        size_bytes: int | None,
        max_bytes: int,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._url, self._target, self._hash_is_known = url, target, hash_is_known
        self._size_bytes, self._max_bytes, self._on_progress = size_bytes, max_bytes, on_progress
        self._part = target.with_name(f"{target.name}.part")
        self._facts_path = target.with_name(f"{target.name}.part.json")
        self._validator, self._total = self._known_facts()

    @property
    def have(self) -> int:
        """Bytes that are here and can be kept."""
        kept = self._part.exists() and (self._validator is not None or self._hash_is_known)
        return self._part.stat().st_size if kept else 0

    def go_on(self) -> None:
        """Fetch what is missing; HTTPError or _BrokeOff when the link does not last."""
        offset = self.have
        if self._total is not None and offset == self._total:
            return
        headers = self._headers(offset)
        with http_get.get(self._url, headers, plain_http=self._hash_is_known) as response:
            begin = self._begin(response, offset)
            unpack.check_space(self._target.parent, self._space_needed(begin))
            self._store(response, begin)
        if self._total is not None and self._part.stat().st_size < self._total:
            raise _BrokeOff("the server closed the connection")

    def finish(self) -> None:
        """Give the whole file its name."""
        with self._part.open("rb") as whole:
            os.fsync(whole.fileno())
        self._part.replace(self._target)
        self._facts_path.unlink(missing_ok=True)

    def _headers(self, offset: int) -> dict[str, str]:
        headers = {"Accept-Encoding": "identity", "User-Agent": "xiangyin"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if self._validator is not None:
                headers["If-Range"] = self._validator
        return headers

    def _begin(self, response: urllib3.BaseHTTPResponse, offset: int) -> int:
        """Where the body of the answer begins in the file; what is stored beyond it goes."""
        found = _RANGE.fullmatch(response.headers.get("content-range", ""))
        if response.status == 206 and found and found[1] is not None:
            begin, total = int(found[1]), _number(found[2])
            if begin != offset or self._is_another(_validator(response), total):
                self._forget()
                raise _BrokeOff("the server has another version now")
        elif response.status == 200:
            begin, total = 0, _number(response.headers.get("content-length"))
        elif response.status == 416:
            self._forget()
            raise _BrokeOff("the server has no such part of the file")
        elif response.status in _BUSY:
            raise _BrokeOff(f"the server answers {response.status}")
        else:
            raise InvalidInput(
                N_("The server does not give the file: it answers %(status)d."),
                field="url",
                params={"status": response.status},
            )
        self._check_size(total)
        kept = self._validator if begin else None
        self._remember(_validator(response) or kept, total)
        return begin

    def _is_another(self, validator: str | None, total: int | None) -> bool:
        changed = None not in (validator, self._validator) and validator != self._validator
        return changed or (None not in (total, self._total) and total != self._total)

    def _store(self, response: urllib3.BaseHTTPResponse, begin: int) -> None:
        done, since = begin, time.monotonic()
        shown = since
        with self._part.open("r+b" if begin else "wb") as out:
            out.seek(begin)
            out.truncate()
            for piece in response.stream(PIECE_BYTES, decode_content=False):
                done += len(piece)
                self._check_size(done)
                out.write(piece)
                out.flush()
                now = time.monotonic()
                if now - shown > 0.5 or done == self._total:
                    shown = now
                    rate = (done - begin) / max(now - since, 0.001)
                    self._on_progress(Progress(done, self._total, rate))

    def _check_size(self, size: int | None) -> None:
        too_large = size is not None and size > self._max_bytes
        other = size is not None and self._size_bytes is not None and size > self._size_bytes
        if too_large or other:
            raise InvalidInput(
                N_("The file is larger than %(limit_mb)d MB: it is not the expected one."),
                field="url",
                params={"limit_mb": (self._size_bytes or self._max_bytes) // 10**6},
            )

    def _space_needed(self, begin: int) -> int:
        total = self._total or self._size_bytes or 0
        return total - min(begin, total) + UNPACKED_PER_PACKED * total

    def _known_facts(self) -> tuple[str | None, int | None]:
        try:
            facts = json.loads(self._facts_path.read_text(encoding="utf-8"))
            return facts["validator"], facts["total"]
        except (OSError, ValueError, KeyError, TypeError):
            return None, None

    def _remember(self, validator: str | None, total: int | None) -> None:
        self._validator, self._total = validator, total
        written = json.dumps({"validator": validator, "total": total})
        self._facts_path.write_text(written, encoding="utf-8")

    def _forget(self) -> None:
        self._part.unlink(missing_ok=True)
        self._facts_path.unlink(missing_ok=True)
        self._validator, self._total = None, None


def _validator(response: urllib3.BaseHTTPResponse) -> str | None:
    """What names this version of the file (RFC 9110, 13.1.5): a strong ETag, else its date."""
    etag = response.headers.get("etag")
    if etag and not etag.startswith("W/"):
        return etag
    return response.headers.get("last-modified")


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None
