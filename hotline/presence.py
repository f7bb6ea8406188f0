"""Whether the database is really there, asked so that a missing one is not created by asking."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import sqlalchemy as sa

from core.database import Database

AWAY_ERRORS = (
    sa.exc.OperationalError,
    sa.exc.InterfaceError,
    sa.exc.InternalError,
    sa.exc.ProgrammingError,  # PostgreSQL's word for a table that is not there yet
    sa.exc.TimeoutError,
)


class Away(Exception):
    """The database is locked, migrating or gone; what was to be entered stays where it is."""


def is_there(database: Database) -> bool:
    """False when SQLite's file is missing: opening it would make an empty one in its place."""
    path = _file(database)
    return path is None or path.is_file()


def really_holds(
    database: Database, key: str, table: str = "call_record", column: str = "call_id"
) -> bool:
    """Whether a connection opened this moment sees the row, by default a call's record.

    A pooled SQLite connection keeps writing into a file that was deleted or replaced under it;
    what it committed is nowhere. Other databases are servers and answer for themselves.
    """
    path = _file(database)
    if path is None:
        return True
    query = f"SELECT 1 FROM {table} WHERE {column} = ?"
    try:
        fresh = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            return fresh.execute(query, (key,)).fetchone() is not None
        finally:
            fresh.close()
    except sqlite3.Error:
        return False


def _file(database: Database) -> Path | None:
    name = database.url.database
    if not database.is_sqlite or not name or name == ":memory:":
        return None
    return Path(name)
