"""One SQLite file that survives kill -9, and its own damage by a second whole copy."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge.files import sync_folder, write_whole

log = logging.getLogger(__name__)
_RESERVE_BYTES = 8_000_000
_FULL_BYTES = 1_000_000


class SafeFile:
    """A connection shared by the threads of the box.

    A damaged file is moved aside and the copy takes its place, also when the file vanished or came
    out empty, as happens when the power goes; ``started_anew`` tells that there was no copy either.
    """

    def __init__(self, file: Path, schema: str) -> None:
        self._file = file
        self._reserve = file.with_name("reserve")
        self._copy = file.with_name(file.name + ".copy")
        # Without it nobody could tell a memory that vanished from one that never was.
        self._sign = file.with_name(file.name + ".exists")
        self._schema = schema
        self._lock = threading.RLock()
        self._copying = threading.Lock()
        self.started_anew = False
        self._connection = self._open()
        self.keep_reserve()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    def rows(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        """All rows of a query."""
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction; on disk when the block is left without an error."""
        with self._lock:
            self._give_way_if_full()
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def save_copy(self) -> None:
        """Keep a second whole file, so that damage makes no play sound twice."""
        partial = self._copy.with_name(self._copy.name + ".part")
        try:
            with self._copying:
                partial.unlink(missing_ok=True)
                with self._lock, contextlib.closing(sqlite3.connect(partial)) as target:
                    self._connection.backup(target)
                with partial.open("rb") as handle:
                    os.fsync(handle.fileno())
                partial.replace(self._copy)
                sync_folder(self._copy.parent)
        except (OSError, sqlite3.Error) as error:
            log.warning("no copy of the memory could be made: %s", error)

    def keep_reserve(self) -> None:
        """Hold room on the disk that only receipts may use; again when there is room again."""
        try:
            free = shutil.disk_usage(self._file.parent).free
            if self._reserve.exists() or free < _RESERVE_BYTES + 4 * _FULL_BYTES:
                return
            with self._reserve.open("wb") as handle:
                os.posix_fallocate(handle.fileno(), 0, _RESERVE_BYTES)
        except OSError as error:
            log.warning("no room could be reserved: %s", error)
            self._reserve.unlink(missing_ok=True)

    def _give_way_if_full(self) -> None:
        """Receipts must be written even so: sound that was never proved is lost twice."""
        with contextlib.suppress(OSError):
            if shutil.disk_usage(self._file.parent).free < _FULL_BYTES:
                self._reserve.unlink(missing_ok=True)

    def _open(self) -> sqlite3.Connection:
        self._give_way_if_full()  # already opening the file takes some room
        opened = self._open_what_is_left(existed=self._sign.exists() or self._copy.exists())
        if not self._sign.exists():
            with contextlib.suppress(OSError):  # on a full disk: at the next start
                write_whole(self._sign, b"")
        return opened

    def _open_what_is_left(self, *, existed: bool) -> sqlite3.Connection:
        try:
            if existed and _is_empty(self._file):
                raise sqlite3.DatabaseError("the file vanished or is empty")
            return _connect(self._file, self._schema)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # full disk, rights: not damage
                raise
            aside = _move_aside(self._file)
            log.error("the memory was damaged (%s) and was moved to %s", error, aside)
        try:
            if self._copy.exists():
                self._copy.replace(self._file)
                return _connect(self._file, self._schema)
        except sqlite3.DatabaseError:
            _move_aside(self._file)
        self.started_anew = True
        return _connect(self._file, self._schema)


def is_damaged(file: Path) -> bool:
    """Whether ``SafeFile`` would put the copy in its place. Nothing is changed by looking."""
    if _is_empty(file):
        return True
    try:
        _connect(file, "").close()
    except sqlite3.OperationalError:  # full disk, rights: not damage
        return False
    except sqlite3.DatabaseError:
        return True
    return False


def _connect(file: Path, schema: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        file, isolation_level=None, check_same_thread=False, timeout=10, cached_statements=64
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(schema)
        (health,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if health != "ok":
            raise sqlite3.DatabaseError(health)
    except BaseException:
        connection.close()
        raise
    return connection


def _is_empty(file: Path) -> bool:
    return not file.exists() or file.stat().st_size == 0


def _move_aside(file: Path) -> Path:
    number = 1
    while (aside := file.with_name(f"{file.name}.damaged-{number}")).exists():
        number += 1
    if file.exists():
        file.replace(aside)
    for ending in ("-wal", "-shm"):
        rest = file.with_name(file.name + ending)
        if rest.exists():
            rest.replace(aside.with_name(aside.name + ending))
    return aside
