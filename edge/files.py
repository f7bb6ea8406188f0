"""Files that are whole on disk or not there at all. Imports nothing but Python's own library."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

_CHUNK_BYTES = 1 << 16


def write_whole(target: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace ``target`` in one step, on disk when this returns."""
    partial = target.with_name(target.name + ".part")
    with open(partial, "wb", opener=lambda path, flags: os.open(path, flags, mode)) as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    partial.replace(target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make renames inside ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(file: Path) -> str | None:
    """Hexadecimal hash of a file; None when it cannot be read."""
    digest = hashlib.sha256()
    try:
        with file.open("rb") as handle:
            while chunk := handle.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError:
        return None
    return digest.hexdigest()
