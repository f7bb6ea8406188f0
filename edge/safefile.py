"""One SQLite file that survives kill -9, and its own damage by a second whole copy."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge.config import sync_folder

log = logging.getLogger(__name__)


class SafeFile:
    """A connection shared by the threads of the box.

    A damaged file is moved aside and the copy takes its place; ``started_anew`` tells that there
    was no copy either.
    """

    def __init__(self, file: Path, schema: str) -> None:
        self._file = file
        self._copy = file.with_name(file.name + ".copy")
        self._schema = schema
        self._lock = threading.RLock()
        self.started_anew = False
        self._connection = self._open()

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
            with self._lock:
                partial.unlink(missing_ok=True)
                target = sqlite3.connect(partial)
                try:
                    self._connection.backup(target)
                finally:
                    target.close()
            with partial.open("rb") as handle:
                os.fsync(handle.fileno())
            partial.replace(self._copy)
            sync_folder(self._copy.parent)
        except (OSError, sqlite3.Error) as error:
            log.warning("no copy of the memory could be made: %s", error)

    def _open(self) -> sqlite3.Connection:
        try:
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


def _move_aside(file: Path) -> Path:
    number = 1
    while (aside := file.with_name(f"{file.name}.damaged-{number}")).exists():
        number += 1
    file.replace(aside)
    for ending in ("-wal", "-shm"):
        rest = file.with_name(file.name + ending)
        if rest.exists():
            rest.replace(aside.with_name(aside.name + ending))
    return aside
