"""Sounds and pictures that come in pieces from a telephone whose net comes and goes.

Each lies in ``<data_dir>/incoming/takes/<token>/``: ``take.json`` says what it is and that its
owner agreed (nothing is written before), ``data`` grows by appending and is fsynced before the
answer. A piece that came before is recognised by its offset, so a telephone may repeat what it
does not know to have arrived. Needs no database: sound still comes in while that is away.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from core.clock import utc_now
from core.errors import N_, Conflict, InvalidInput, NotFound
from core.files import sync_folder, write_durably
from core.settings import Settings
from web import report_photos

MB = 1_000_000
PIECE_BYTES = 262_144
"""The largest piece of one request: half a minute on the slowest net that still works."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,64}")
_REFERENCE = re.compile(r"([A-Za-z0-9_-]{20,64}):(\d{1,10}):([0-9a-f]{8})")
_ABOUT, _DATA, _LOCK = "take.json", "data", "lock"

Kind = Literal["sound", "photo"]


class Gone(NotFound):
    """There is no such take here: the telephone begins anew, it still has everything."""

    code = "take_gone"


class Differs(Conflict):
    """What has arrived is not what the telephone holds; it begins anew."""

    code = "take_differs"


@dataclass(frozen=True)
class About:
    """What a take is, and its owner's consent. ``form_token``: the form it belongs to."""

    kind: Kind
    form_token: str
    village_code: str
    point_code: str | None
    confidential: bool
    consent_version: str
    consent_at: str
    """ISO 8601, UTC."""


@dataclass(frozen=True)
class Reference:
    """A take as the form names it when all of it was sent: ``token:bytes:crc32 (hex)``."""

    token: str
    size: int
    crc: int

    @classmethod
    def read(cls, text: str) -> Reference:
        """InvalidInput for anything else."""
        found = _REFERENCE.fullmatch(text)
        if found is None:
            raise InvalidInput(N_("This is no recording that was sent before."), field="file")
        return cls(found[1], int(found[2]), int(found[3], 16))


class Takes:
    """The folder of unfinished takes."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.folder("incoming", "takes")
        self._most_bytes = settings.report_upload_max_mb * MB

    def begin(self, token: str, about: About) -> int:
        """Make room for a take, or find it; how many bytes are here."""
        folder = self._path(token)
        fresh = not folder.exists()
        folder.mkdir(exist_ok=True)
        if fresh:
            sync_folder(self.folder)
        with self._locked(token):
            known = self._about(folder)
            if known is not None and known.form_token != about.form_token:
                raise Conflict(N_("This recording belongs to another report."))
            if known is None or known.confidential != about.confidential:
                write_durably(folder / _ABOUT, json.dumps(asdict(about)).encode())
            return self._size(folder)

    def append(self, token: str, offset: int, piece: bytes) -> int:
        """Add a piece that begins at ``offset``; how many bytes are here now.

        What is here already is compared, not written again. Raises Gone, Differs (also when
        ``offset`` lies beyond the end) and InvalidInput beyond the largest size.
        """
        with self._locked(token) as folder:
            about = self._about(folder)
            if about is None:
                raise Gone(N_("This recording has not been begun."))
            size = self._size(folder)
            if offset > size:
                raise Differs(N_("A piece before this one is missing."))
            self._require_size(about.kind, offset + len(piece))
            known, new = piece[: size - offset], piece[size - offset :]
            descriptor = os.open(folder / _DATA, os.O_RDWR | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "r+b") as data:
                data.seek(offset)
                if data.read(len(known)) != known:
                    raise Differs(N_("This piece differs from what came before."))
                _write_whole(data.fileno(), size, new)
            return size + len(new)

    @contextmanager
    def whole(self, reference: Reference) -> Iterator[Path]:
        """The finished file behind ``reference``, nobody else's meanwhile.

        Raises Gone when it is not here (or was entered already) and Differs when its length or
        its checksum is another; then it is thrown away.
        """
        with self._locked(reference.token) as folder:
            path = folder / _DATA
            if self._size(folder) != reference.size or _crc(path) != reference.crc:
                path.unlink(missing_ok=True)
                raise Differs(N_("The recording did not arrive whole. It is sent once more."))
            yield path

    def drop(self, token: str) -> None:
        """Throw a take away; one that is not here is no error."""
        shutil.rmtree(self._path(token), ignore_errors=True)

    def idle(self, after: timedelta) -> list[str]:
        """Tokens of takes that have not grown for ``after``."""
        latest = utc_now() - after
        return sorted(one.name for one in self.folder.iterdir() if _grown_at(one) <= latest)

    @contextmanager
    def unfinished(self, token: str, after: timedelta) -> Iterator[tuple[About | None, Path]]:
        """An idle take to decide about; Gone when it grew or went meanwhile.

        Without About it was never begun: nobody agreed to anything.
        """
        with self._locked(token) as folder:
            if _grown_at(folder) > utc_now() - after:
                raise Gone(N_("This recording has grown."))
            yield self._about(folder), folder / _DATA

    def _require_size(self, kind: Kind, size: int) -> None:
        if kind == "photo" and size > report_photos.MAX_MB * MB:
            raise InvalidInput(
                N_("The picture is too large. Take a smaller one; at most %(limit_mb)d MB."),
                field="photo",
                params={"limit_mb": report_photos.MAX_MB},
            )
        if size > self._most_bytes:
            raise InvalidInput(
                N_("The file is larger than %(limit_mb)d MB. Send a shorter one."),
                field="file",
                params={"limit_mb": self._most_bytes // MB},
            )

    def _path(self, token: str) -> Path:
        if not _TOKEN.fullmatch(token):
            raise Gone(N_("There is no such recording."))
        return self.folder / token

    @contextmanager
    def _locked(self, token: str) -> Iterator[Path]:
        folder = self._path(token)
        try:
            lock = (folder / _LOCK).open("a")
        except FileNotFoundError:
            raise Gone(N_("There is no such recording.")) from None
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / _LOCK).exists():  # thrown away while we waited
                raise Gone(N_("There is no such recording."))
            yield folder

    @staticmethod
    def _about(folder: Path) -> About | None:
        try:
            return About(**json.loads((folder / _ABOUT).read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    @staticmethod
    def _size(folder: Path) -> int:
        path = folder / _DATA
        return path.stat().st_size if path.exists() else 0


def _write_whole(descriptor: int, at: int, piece: bytes) -> None:
    """All of it durably, or the file is as before: a full disk leaves no half piece."""
    try:
        done = 0
        while done < len(piece):
            done += os.pwrite(descriptor, piece[done:], at + done)
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, at)
        raise


def _crc(path: Path) -> int:
    crc = 0
    try:
        with path.open("rb") as data:
            while piece := data.read(MB):
                crc = zlib.crc32(piece, crc)
    except FileNotFoundError:
        return 0
    return crc


def _grown_at(folder: Path) -> datetime:
    times = []
    for path in (folder, folder / _DATA):
        if path.exists():
            times.append(path.stat().st_mtime)
    return datetime.fromtimestamp(max(times, default=0.0), UTC)
