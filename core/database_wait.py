"""Waiting at the start for a database that is away or locked, while other things go on."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import sqlalchemy as sa
from psycopg import pq
from psycopg.conninfo import make_conninfo

from core.database import Database

PAUSES_S = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""After each failure; the last one again and again."""
SILENT_S = 15.0
"""After so long without an answer it is said that one is waited for."""
_AWAY_STATES = ("08", "57P", "55P03", "40P01", "53300")
"""PostgreSQL: connection broken, starting or stopping, lock not had, deadlock, crowded."""
_CROWDED = ("too many", "connection slots", "太多的客户")
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
T = TypeVar("T")
Watch = Callable[[Callable[[], bool]], bool]
"""True when the condition holds, False when all is to end before that."""


class Refused(Exception):
    """The database is there and does not let us in; the text is its own."""


def when_there(
    database: Database, work: Callable[[], T], *, watch: Watch, say: Callable[[str], None]
) -> T | None:
    """What ``work`` returns, tried until the database is there; None when all is to end.

    It runs in a thread of its own, for a database may never answer. Raises Refused, and what
    ``work`` raises for any other reason than an absent or locked database.
    """
    for pause_s in _pauses_s():
        attempt = _Attempt(work)
        if not _is_over(attempt, watch, say):
            return None
        if attempt.error is None:
            return attempt.result
        _require_absence(attempt.error, database)
        why = reason_of(attempt.error)
        say(f"the database is away or locked ({why}); trying again in {pause_s:.0f} s")
        if not watch(_Alarm(pause_s)):
            return None
    raise AssertionError("the pauses never end")


class _Attempt(Generic[T]):
    """Work that has begun in a thread; it ends with the process at the latest."""

    def __init__(self, work: Callable[[], T]) -> None:
        self.result: T | None = None
        self.error: Exception | None = None
        self._work = work
        self._thread = threading.Thread(target=self._run, name="database", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.result = self._work()
        except Exception as error:
            self.error = error

    def is_over(self) -> bool:
        return not self._thread.is_alive()


class _Alarm:
    """True from ``after_s`` seconds on."""

    def __init__(self, after_s: float) -> None:
        self._due_s = time.monotonic() + after_s

    def __call__(self) -> bool:
        return time.monotonic() >= self._due_s


def _is_over(attempt: _Attempt[T], watch: Watch, say: Callable[[str], None]) -> bool:
    late = _Alarm(SILENT_S)
    if not watch(lambda: attempt.is_over() or late()):
        return False
    if not attempt.is_over():
        say("the database is slow, locked or does not answer; waiting for it")
    return watch(attempt.is_over)


def _pauses_s() -> Iterator[float]:
    yield from PAUSES_S
    while True:
        yield PAUSES_S[-1]


def _require_absence(error: Exception, database: Database) -> None:
    if is_away(error):
        return
    if not _is_unexplained(error):
        raise error
    if answers(database) and not _connects(database):
        raise Refused(reason_of(error)) from error


def is_away(error: Exception) -> bool:
    """Whether the error itself says that the database is away or locked, for now."""
    if not isinstance(error, sa.exc.DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    if isinstance(error.orig, sqlite3.Error):
        return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in _LOCKED
    state = getattr(error.orig, "sqlstate", None) or ""
    return state.startswith(_AWAY_STATES) or (
        not state and any(word in str(error.orig) for word in _CROWDED)
    )


def _is_unexplained(error: Exception) -> bool:
    """Whether it comes from connecting: PostgreSQL's client then keeps the reason's code back."""
    return (
        isinstance(error, sa.exc.OperationalError)
        and not isinstance(error.orig, sqlite3.Error)
        and getattr(error.orig, "sqlstate", None) is None
    )


def answers(database: Database) -> bool:
    """Whether a PostgreSQL takes connections there, or no try can help: who may connect is left
    open."""
    words, named = database.engine.dialect.create_connect_args(database.url)
    named.pop("context", None)
    found = pq.PGconn.ping(make_conninfo(*words, **named).encode())
    return found in (pq.Ping.OK, pq.Ping.NO_ATTEMPT)


def _connects(database: Database) -> bool:
    """Tried once more: it may have come up between the failure and the question."""
    try:
        database.engine.connect().close()
    except sa.exc.OperationalError as error:
        return is_away(error)
    return True


def reason_of(error: Exception) -> str:
    """The first line of what the database or its client says; it holds no password."""
    told = str(getattr(error, "orig", None) or error).strip()
    return told.partition("\n")[0][:200]
