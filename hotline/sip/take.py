"""One recording on its way to the disk: blocking work, done in an executor."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

Pieces = list[tuple[int, bytes]]


class TakeFile:
    """``<take>.part`` while it grows, fsynced by each ``write``; ``<take>`` when finished.

    Methods raise OSError when the disk is full or gone; ``written_bytes`` says what is safe.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = path.with_name(path.name + ".part")
        self.written_bytes = 0
        self._descriptor: int | None = None

    def write(self, pieces: Pieces) -> None:
        """Put each piece at its offset and wait until the disk has them."""
        descriptor = self._open()
        for offset, data in pieces:
            self._write_all(descriptor, offset, data)
        os.fsync(descriptor)

    def finish(self, pieces: Pieces, length_bytes: int) -> None:
        """Write the rest, cut to ``length_bytes`` and give the file its final name.

        The file gets its name even when the rest does not fit; then OSError tells so.
        """
        try:
            self.write(pieces)
            if self.written_bytes > length_bytes:
                os.ftruncate(self._open(), length_bytes)
                self.written_bytes = length_bytes
                os.fsync(self._open())
        finally:
            self._close()
            with contextlib.suppress(FileNotFoundError):
                self.part.replace(self.path)
                _sync_folder(self.path.parent)

    def _open(self) -> int:
        if self._descriptor is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            self._descriptor = os.open(self.part, flags, 0o600)
            _sync_folder(self.path.parent)
        return self._descriptor

    def _write_all(self, descriptor: int, offset: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            count = os.pwrite(descriptor, view, offset)
            view, offset = view[count:], offset + count
            self.written_bytes = max(self.written_bytes, offset)

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
