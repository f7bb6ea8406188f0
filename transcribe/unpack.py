"""Bringing a foreign model into a folder of ours: limits on size, and no way out of the folder."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from core.errors import N_, InvalidInput

MAX_FILES = 2_000
MAX_BYTES = 8 * 10**9
"""The largest public Chinese model unpacks to about 2 GB."""

CHUNK_BYTES = 1 << 20
SEARCH_DEPTH = 3
_BROKEN = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    UnicodeDecodeError,
)
_LITTER = ("__MACOSX", ".DS_Store")


class Budget:
    """Counts files and bytes really written; InvalidInput when there are too many."""

    def __init__(self, max_files: int = MAX_FILES, max_bytes: int = MAX_BYTES) -> None:
        self._files, self._bytes = max_files, max_bytes
        self._limit_mb = max_bytes // 10**6

    def copy(self, source: IO[bytes], target: Path) -> None:
        """Write ``source`` to ``target``, a new file."""
        self._files -= 1
        if self._files < 0:
            raise InvalidInput(N_("The model holds too many files."), field="file")
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as out:
            while data := source.read(CHUNK_BYTES):
                self._bytes -= len(data)
                if self._bytes < 0:
                    raise InvalidInput(
                        N_("The model is larger than %(limit_mb)d MB."),
                        field="file",
                        params={"limit_mb": self._limit_mb},
                    )
                out.write(data)


def from_zip(archive: Path, folder: Path, budget: Budget) -> None:
    """Unpack ``archive`` into ``folder``. InvalidInput for a broken or a malicious one."""
    try:
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                name = _safe_name(entry)
                if name is None or entry.is_dir():
                    continue
                with opened.open(entry) as source:
                    budget.copy(source, folder / name)
    except _BROKEN as error:
        raise InvalidInput(
            N_("The ZIP file is damaged or is none (%(reason)s). Fetch it again."),
            field="file",
            params={"reason": str(error)[:200]},
        ) from error
    except (FileExistsError, NotADirectoryError) as error:
        raise InvalidInput(N_("The ZIP file holds the same name twice."), field="file") from error


def _safe_name(entry: zipfile.ZipInfo) -> PurePosixPath | None:
    """The entry's path below our folder; None for litter; InvalidInput for one that leads out."""
    path = PurePosixPath(entry.filename)
    kind = stat.S_IFMT(entry.external_attr >> 16)
    odd = kind not in (0, stat.S_IFREG, stat.S_IFDIR)
    outward = path.is_absolute() or ".." in path.parts or "\\" in entry.filename
    if odd or outward or ":" in entry.filename:
        raise InvalidInput(
            N_("The ZIP file holds %(name)s, which does not belong in a model. Do not use it."),
            field="file",
            params={"name": entry.filename[:200]},
        )
    if entry.flag_bits & 1:
        raise InvalidInput(N_("The ZIP file is locked with a password."), field="file")
    return None if any(part in _LITTER for part in path.parts) else path


def from_folder(source: Path, folder: Path, budget: Budget) -> None:
    """Copy ``source`` into ``folder``; links to folders are left out."""
    if not source.is_dir():
        raise InvalidInput(N_("There is no such folder."), field="file")
    for path in sorted(source.rglob("*")):
        if path.is_file() and not any(part in _LITTER for part in path.parts):
            with path.open("rb") as stream:
                budget.copy(stream, folder / path.relative_to(source))


def model_root(folder: Path) -> Path:
    """The folder of the one model inside ``folder``, itself or up to three levels down."""
    found = [path for path in _folders(folder, SEARCH_DEPTH) if is_model(path)]
    if not found:
        raise InvalidInput(
            N_(
                "This is no Vosk model: neither am/final.mdl with conf/model.conf nor, in the old "
                "layout, final.mdl with mfcc.conf is inside."
            ),
            field="file",
        )
    if len(found) > 1:
        raise InvalidInput(N_("There are several models inside. Give one."), field="file")
    return found[0]


def is_model(path: Path) -> bool:
    """Whether the folder has one of Vosk's layouts, as far as names tell."""
    layered = (path / "am/final.mdl").is_file() and (path / "conf/model.conf").is_file()
    return layered or ((path / "final.mdl").is_file() and (path / "mfcc.conf").is_file())


def _folders(folder: Path, depth: int) -> Iterator[Path]:
    yield folder
    if depth:
        for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
            yield from _folders(inner, depth - 1)


def check_space(folder: Path, needed_bytes: int) -> None:
    """InvalidInput when the disk cannot hold ``needed_bytes`` more."""
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise InvalidInput(
            N_("The disk has %(free_mb)d MB left; the model needs %(needed_mb)d MB."),
            field="file",
            params={"free_mb": free // 10**6, "needed_mb": needed_bytes // 10**6},
        )
