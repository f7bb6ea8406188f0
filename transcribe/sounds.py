"""Where a decoder gets its sounds: the store beside it, else the server, for as long as it works.

A decoder on another machine shares the database and nothing else. What it fetches is checked
against its name, the SHA-256 of its bytes, and removed when the job is done: voices stay where
they are kept.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from core.blobs import BlobStore
from core.errors import N_, InvalidInput, NotFound, ToolFailed
from core.settings import Settings

CHUNK_BYTES = 1 << 18
_TIMEOUT = urllib3.Timeout(connect=10, read=30)
_NEAR = ("127.0.0.1", "::1", "localhost")


class SoundUnreachable(ToolFailed):
    """The server did not give the sound: away, unwilling, or other bytes came."""

    code = "sound_unreachable"
    retriable = True


class Sounds:
    """Lends stored sounds. ``server_url`` may be empty: then the store beside us is all."""

    def __init__(self, store: BlobStore, server_url: str = "", token: str = "") -> None:
        self._store, self._token = store, token
        self._base = server_url.rstrip("/")
        if server_url:
            _check(server_url, token)
            self._pool = urllib3.PoolManager(retries=False, timeout=_TIMEOUT)

    @classmethod
    def from_settings(cls, settings: Settings, store: BlobStore) -> Sounds:
        """As the settings ``server_url`` and ``worker_token`` say; InvalidInput names the wrong."""
        return cls(store, settings.server_url, settings.worker_token)

    @contextlib.contextmanager
    def lent(
        self, sha256: str, into: Path, *, on_wait: Callable[[], None] = lambda: None
    ) -> Iterator[Path]:
        """The sound as a file, until the block ends; a fetched one lies in the folder ``into``.

        ``on_wait`` is called between pieces. Raises NotFound or SoundUnreachable.
        """
        if not self._base or self._store.path(sha256).is_file():
            yield self._store.existing_path(sha256)
            return
        fetched = into / f"{sha256}.fetched"
        try:
            self._fetch(sha256, fetched, on_wait)
            yield fetched
        finally:
            fetched.unlink(missing_ok=True)

    def _fetch(self, sha256: str, target: Path, on_wait: Callable[[], None]) -> None:
        url = f"{self._base}/api/v1/blobs/{sha256}"
        headers = {"Authorization": f"Bearer {self._token}", "Accept-Encoding": "identity"}
        digest = hashlib.sha256()
        try:
            response = self._pool.request(
                "GET", url, headers=headers, redirect=False, preload_content=False
            )
            with contextlib.closing(response), target.open("wb") as out:
                _judge(response.status)
                for piece in response.stream(CHUNK_BYTES):
                    on_wait()
                    digest.update(piece)
                    out.write(piece)
        except HTTPError as error:
            raise SoundUnreachable(
                N_("The server did not give the sound: %(reason)s"),
                params={"reason": str(error)[:200]},
            ) from error
        if digest.hexdigest() != sha256:
            raise SoundUnreachable(N_("The server gave other bytes than those of the sound."))


def _judge(status: int) -> None:
    if status == 404:
        raise NotFound(N_("There is no such sound."))
    if status in (401, 403):
        raise SoundUnreachable(
            N_("The server refuses this decoder. Set XIANGYIN_WORKER_TOKEN to a token of its own.")
        )
    if status != 200:
        raise SoundUnreachable(
            N_("The server did not give the sound: %(reason)s"),
            params={"reason": f"status {status}"},
        )


def _check(server_url: str, token: str) -> None:
    parts = urlsplit(server_url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _NEAR):
        raise InvalidInput(
            N_("XIANGYIN_SERVER_URL must begin with https://, for voices travel there."),
            field="server_url",
        )
    if not token:
        raise InvalidInput(
            N_("With XIANGYIN_SERVER_URL set XIANGYIN_WORKER_TOKEN, too."), field="worker_token"
        )
