"""Sound files by SHA-256 in a local folder. A blob is written once, fsynced, then renamed."""

from __future__ import annotations

import hashlib
import os
import re
import time
import uuid
from pathlib import Path
from typing import BinaryIO

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import utc_now
from core.errors import N_, InvalidInput, NotFound
from core.files import sync_folder
from core.models import Blob
from core.settings import Settings
from core.types import Sha256

CHUNK_BYTES = 1 << 20
SETTLED_S = 3600.0
"""Who puts bytes in has their row written long before."""
_NAME = re.compile(r"[0-9a-f]{64}")


class BlobStore:
    """Keeps files below ``folder``/ab/abcdef…; the same bytes are kept once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @classmethod
    def from_settings(cls, settings: Settings) -> BlobStore:
        return cls(settings.folder("blobs"))

    def path(self, sha256: str) -> Path:
        """Where the blob lies (it may be missing). Raises NotFound for anything but a hash."""
        if not _NAME.fullmatch(sha256):
            raise NotFound(N_("There is no such sound."))
        return self.folder / sha256[:2] / sha256

    def existing_path(self, sha256: str) -> Path:
        """Path of a blob that is there, else NotFound."""
        path = self.path(sha256)
        if not path.is_file():
            raise NotFound(N_("There is no such sound."))
        return path

    def put_file(self, source: Path) -> Sha256:
        """Copy ``source`` into the store; returns its hash. OSError when the disk is full."""
        with source.open("rb") as stream:
            return self.put_stream(stream)

    def put_bytes(self, data: bytes) -> Sha256:
        """Store ``data``; returns its hash."""
        digest = hashlib.sha256(data).hexdigest()
        target = self.path(digest)
        if not target.is_file():
            part = self._part()
            try:
                with part.open("wb") as out:
                    out.write(data)
                    _sync(out)
                self._adopt(part, target)
            finally:
                part.unlink(missing_ok=True)
        else:
            os.utime(target)  # wanted again: ``remove`` leaves it
        return Sha256(digest)

    def put_stream(self, stream: BinaryIO, *, max_bytes: int | None = None) -> Sha256:
        """Store what ``stream`` yields; more than ``max_bytes`` raises InvalidInput."""
        part, digest, size = self._part(), hashlib.sha256(), 0
        try:
            with part.open("wb") as out:
                while data := stream.read(CHUNK_BYTES):
                    size += len(data)
                    if max_bytes is not None and size > max_bytes:
                        raise InvalidInput(
                            N_("The file is larger than %(limit_mb)d MB. Send a shorter one."),
                            field="file",
                            params={"limit_mb": max_bytes // 1_000_000},
                        )
                    digest.update(data)
                    out.write(data)
                _sync(out)
            self._adopt(part, self.path(digest.hexdigest()))
        finally:
            part.unlink(missing_ok=True)
        return Sha256(digest.hexdigest())

    def remove(self, sha256: str) -> bool:
        """Take the file away; True when it is gone. False: somebody put it in a moment ago, and
        its row may still come."""
        path = self.path(sha256)
        try:
            # The file system's clock, so not core.clock.
            if abs(time.time() - path.stat().st_mtime) < SETTLED_S:
                return False
            path.unlink()
        except FileNotFoundError:
            return True
        sync_folder(path.parent)
        return True

    def _part(self) -> Path:
        incoming = self.folder / "incoming"
        incoming.mkdir(exist_ok=True)
        return incoming / f"{uuid.uuid4().hex}.part"

    @staticmethod
    def _adopt(part: Path, target: Path) -> None:
        target.parent.mkdir(exist_ok=True)
        part.replace(target)
        sync_folder(target.parent)


def _sync(out: BinaryIO) -> None:
    out.flush()
    os.fsync(out.fileno())


def register(session: Session, store: BlobStore, sha256: str, media_type: str) -> Blob:
    """The Blob row of a stored file, made when missing. Call it before rows that refer to it."""
    found = session.get(Blob, sha256)
    if found is not None:
        return found
    blob = Blob(
        sha256=sha256,
        size_bytes=store.existing_path(sha256).stat().st_size,
        media_type=media_type,
        created_at=utc_now(),
    )
    try:
        with session.begin_nested():
            session.add(blob)
    except sa.exc.IntegrityError:  # somebody stored the same bytes this moment
        return session.get_one(Blob, sha256)
    return blob
