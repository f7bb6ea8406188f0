"""Whether the database is really there, asked so that a missing one is not created by asking."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from core.database import Database


def is_there(database: Database) -> bool:
    """False when SQLite's file is missing: opening it would make an empty one in its place."""
    path = _file(database)
    return path is None or path.is_file()


def really_holds(database: Database, call_id: str) -> bool:
    """Whether a connection opened this moment sees the call's record.

    A pooled SQLite connection keeps writing into a file that was deleted or replaced under it;
    what it committed is nowhere. Other databases are servers and answer for themselves.
    """
    path = _file(database)
    if path is None:
        return True
    query = "SELECT 1 FROM call_record WHERE call_id = ?"
    try:
        fresh = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            return fresh.execute(query, (call_id,)).fetchone() is not None
        finally:
            fresh.close()
    except sqlite3.Error:
        return False


def _file(database: Database) -> Path | None:
    name = database.url.database
    if not database.is_sqlite or not name or name == ":memory:":
        return None
    return Path(name)
