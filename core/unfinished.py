"""Sounds in the making that a power cut left behind: folders and files of our own temporary names.

Nothing in them was acknowledged to anybody. A voice is acknowledged when its row is written, and
before that its file stands in the store under its hash; calls and takes lie in folders of their
own until then, mails and voicemails with whoever sent them. What is here is a copy, or a
rendition, of what was still being read.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import structlog

from core.blobs import BlobStore
from core.settings import Settings

QUIET_S = 3600.0
"""No tool may run for so long, and whoever works writes something before."""
_FOLDER = re.compile(r"tmp[a-z0-9_]{8}")
"""As tempfile names them."""
_WORK = re.compile(r"(reply|upload)-[a-z0-9_]{8}")
_PART = re.compile(r"[0-9a-f]{32}\.part")
"""Of BlobStore."""
log = structlog.get_logger("core.unfinished")


def remove(settings: Settings, store: BlobStore) -> int:
    """Remove what nobody has written to for an hour and nobody has open; how many went."""
    gone = 0
    try:
        old = [path for path in _ours(settings, store.folder.resolve()) if _is_quiet(path)]
        opened = _opened() if old else set()
        for path in old:
            if not any(one == path or path in one.parents for one in opened):
                _remove(path)
                gone += 1
    except OSError as error:
        log.warning("what was left unfinished could not be removed yet", error=repr(error)[:200])
    return gone


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _ours(settings: Settings, blobs: Path) -> Iterator[Path]:
    for folder, name in (
        (settings.folder("incoming"), _FOLDER),
        (blobs, _FOLDER),
        (blobs / "incoming", _PART),
        (settings.folder("work"), _WORK),
    ):
        if folder.is_dir():
            yield from (path for path in folder.iterdir() if name.fullmatch(path.name))


def _is_quiet(path: Path) -> bool:
    """Whether it and all in it is old, by the clock of the file system, so not core.clock."""
    try:
        newest = max(one.lstat().st_mtime for one in (path, *path.rglob("*")))
    except FileNotFoundError:
        return False  # somebody is at work in it
    return time.time() - newest > QUIET_S


def _opened() -> set[Path]:
    """Files and folders that processes of this machine have open, as far as we may see them."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is somebody else's
            for name in (process / "cwd", *(process / "fd").iterdir()):
                with suppress(OSError):
                    found.add(name.readlink())
    return found
