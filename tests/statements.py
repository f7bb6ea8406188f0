"""What is asked of the database while a test looks on, and by which way SQLite finds it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.database import Database

Asked = tuple[str, Any]


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """The SQL texts that are run meanwhile, in order."""
    told: list[str] = []
    with _asked(database, lambda asked: told.append(asked[0])):
        yield told


def ways(database: Database, read: Callable[[Session], object]) -> str:
    """How SQLite looks up what ``read`` asks for: a line for each table."""
    asked: list[Asked] = []
    with database.read() as session:
        with _asked(database, asked.append):
            read(session)
        explained = [
            session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)
            for text, values in asked
            if text.startswith("SELECT")
        ]
        return "\n".join(str(row[-1]) for rows in explained for row in rows)


@contextmanager
def _asked(database: Database, note: Callable[[Asked], None]) -> Iterator[None]:
    def hear(_connection: Any, _cursor: Any, text: str, values: Any, *_more: Any) -> None:
        note((text, values))

    sa.event.listen(database.engine, "before_cursor_execute", hear)
    try:
        yield
    finally:
        sa.event.remove(database.engine, "before_cursor_execute", hear)
