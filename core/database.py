"""One door to the database: SQLite by default, PostgreSQL when shared.

On SQLite writes begin with BEGIN IMMEDIATE (so two writers queue instead of failing midway), in
WAL mode with a busy timeout and foreign keys on. Writers of one process take turns before that.
On PostgreSQL all tables live in our own schema.
"""

from __future__ import annotations

import copy
import sqlite3
import time as clocks
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from core.settings import Settings
from core.turns import ASKED, DUTIES, Turns
from core.types import Json, JsonList, JsonObject, UtcDateTime

BUSY_TIMEOUT_MS = 10_000
LOOK_EVERY_MS = 5
WRITE = "BEGIN IMMEDIATE"
_HAS_TURN = "xiangyin turn"
SQLITE_OVERFLOW = 70
"""More than a process has threads: who only reads must not wait until writers have queued."""

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(orm.DeclarativeBase):
    """Parent of every table."""

    metadata = sa.MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        datetime: UtcDateTime(),
        date: sa.Date(),
        time: sa.Time(),
        JsonObject: Json,
        JsonList: Json,
    }


class Database:
    """Engine and sessions. One per process."""

    def __init__(self, url: str, *, schema: str = "xiangyin", pool_size: int = 10) -> None:
        self.url = sa.make_url(url)
        self.schema = schema
        if self.is_sqlite:
            if self.url.database and self.url.database != ":memory:":
                Path(self.url.database).parent.mkdir(parents=True, exist_ok=True)
            self.engine = sa.create_engine(
                self.url,
                connect_args={"check_same_thread": False},
                pool_size=pool_size,
                max_overflow=SQLITE_OVERFLOW,
            )
            sa.event.listen(self.engine, "connect", _prepare_sqlite)
            _let_take_turns(self.engine)
        else:
            self.engine = sa.create_engine(
                self.url, pool_size=pool_size, max_overflow=pool_size, pool_pre_ping=True
            )
            sa.event.listen(self.engine, "connect", _search_path(schema))
        self._writing = orm.sessionmaker(self.engine, expire_on_commit=False)
        self._reading = orm.sessionmaker(
            self.engine.execution_options(xiangyin_read=True), expire_on_commit=False
        )

    @classmethod
    def from_settings(cls, settings: Settings) -> Database:
        """The database the settings name."""
        return cls(settings.effective_database_url, schema=settings.database_schema)

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    @contextmanager
    def write(self) -> Iterator[orm.Session]:
        """A session that commits when the block returns and rolls back when it raises."""
        with self._writing() as session, session.begin():
            yield session

    @contextmanager
    def unfinished(self) -> Iterator[orm.Session]:
        """A session that writes; whoever uses it commits, else nothing was done."""
        with self._writing() as session:
            yield session

    @contextmanager
    def read(self) -> Iterator[orm.Session]:
        """A session that never takes the write lock and never commits."""
        with self._reading() as session:
            yield session

    def for_duties(self) -> Database:
        """The same database for background duties, whose writes do not queue behind requests."""
        found = copy.copy(self)
        duties = self.engine.execution_options(xiangyin_lane=DUTIES)
        found._writing = orm.sessionmaker(duties, expire_on_commit=False)
        return found

    def close(self) -> None:
        self.engine.dispose()


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _let_take_turns(engine: sa.Engine) -> None:
    """Begin reads at once and writes in the order they came; a turn ends with its connection."""
    turns = Turns()

    def begin(connection: sa.Connection) -> None:
        if connection.get_execution_options().get("xiangyin_read", False):
            connection.exec_driver_sql("BEGIN")
            return
        lane = connection.get_execution_options().get("xiangyin_lane", ASKED)
        if not turns.take(BUSY_TIMEOUT_MS / 1000, lane):
            locked = sqlite3.OperationalError("database is locked")
            raise sa.exc.OperationalError(WRITE, None, locked)
        connection.info[_HAS_TURN] = True
        _begin_write(connection)

    def end(_connection: object, record: sa.pool.ConnectionPoolEntry) -> None:
        if record.info.pop(_HAS_TURN, False):
            turns.give_back()

    sa.event.listen(engine, "begin", begin)
    sa.event.listen(engine, "checkin", end)


def _begin_write(connection: sa.Connection) -> None:
    """Look for the lock every few milliseconds: SQLite itself soon looks ten times a second, and
    another process that writes without a pause is then never seen pausing.
    """
    own = connection.connection.cursor()
    until_s = clocks.monotonic() + BUSY_TIMEOUT_MS / 1000
    own.execute(f"PRAGMA busy_timeout={LOOK_EVERY_MS}")
    try:
        while True:
            try:
                connection.exec_driver_sql(WRITE)
                return
            except sa.exc.OperationalError as error:
                if not _is_busy(error.orig) or clocks.monotonic() > until_s:
                    raise
    finally:
        own.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        own.close()


def _is_busy(error: object) -> bool:
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF == sqlite3.SQLITE_BUSY


def _search_path(schema: str) -> Callable[[Any, object], None]:
    if not schema.isidentifier():
        raise ValueError(f"database_schema {schema!r} is not a plain name")

    def prepare(connection: Any, _record: object) -> None:
        before, connection.autocommit = connection.autocommit, True
        connection.execute(f'SET search_path TO "{schema}"')
        connection.autocommit = before

    return prepare


def claimed(result: sa.Result[Any]) -> bool:
    """Whether a conditional UPDATE changed exactly one row: then the work is ours."""
    return getattr(result, "rowcount", 0) == 1
