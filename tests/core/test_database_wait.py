"""At the start an absent or locked database is waited for; any other trouble ends the start."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
import sqlalchemy as sa

from core import database as core_database
from core import database_wait, migrate
from core.database import Database
from core.database_wait import Refused, is_away, when_there
from core.models import User
from core.settings import Settings
from tests.postgres import Postgres
from tests.road.town import free_port


def at_once(until: Callable[[], bool]) -> bool:
    """Pauses pass at once; work is waited for."""
    while not isinstance(until, database_wait._Alarm) and not until():
        time.sleep(0.005)
    return True


def failing(*errors: Exception) -> Callable[[], str]:
    """Work that raises these, one a try, and then succeeds."""
    left = iter(errors)

    def work() -> str:
        for error in left:
            raise error
        return "done"

    return work


def told_by_postgresql(sqlstate: str | None, text: str = "") -> sa.exc.OperationalError:
    orig = Exception(text)
    orig.sqlstate = sqlstate  # type: ignore[attr-defined]
    return sa.exc.OperationalError("SELECT 1", None, orig)


@pytest.fixture
def sqlite(config: Settings) -> Database:
    return Database.from_settings(config)


@pytest.fixture
def nowhere() -> Database:
    """A PostgreSQL that does not run."""
    return Database(f"postgresql+psycopg://xy@127.0.0.1:{free_port()}/town")


def test_it_is_tried_again_after_longer_and_longer_pauses() -> None:
    found = list(islice(database_wait._pauses_s(), 10))
    assert found == sorted(found)
    assert found[:2] == [1.0, 2.0]
    assert found[-2:] == [30.0, 30.0]


def test_work_is_done_once_the_database_is_there_and_each_failure_is_told(
    sqlite: Database,
) -> None:
    said: list[str] = []
    work = failing(told_by_postgresql("57P03", "the database system is starting up\nhint"))
    assert when_there(sqlite, work, watch=at_once, say=said.append) == "done"
    assert said == [
        "the database is away or locked (the database system is starting up); trying again in 1 s"
    ]


@pytest.mark.parametrize("sqlstate", ["08006", "57P01", "57P03", "55P03", "40P01", "53300"])
def test_what_postgresql_calls_a_passing_state_is_an_absence(sqlstate: str) -> None:
    assert is_away(told_by_postgresql(sqlstate))


@pytest.mark.parametrize("sqlstate", ["42P01", "42501", "57014", "23505", "53100"])
def test_what_does_not_pass_is_none(sqlstate: str) -> None:
    assert not is_away(told_by_postgresql(sqlstate))


def test_a_crowded_postgresql_is_waited_for() -> None:
    assert is_away(told_by_postgresql(None, "FATAL:  sorry, too many clients already"))


@pytest.mark.parametrize("error", [RuntimeError("a bug"), told_by_postgresql("42P01")])
def test_any_other_trouble_of_a_migration_is_raised_at_once(
    nowhere: Database, error: Exception
) -> None:
    with pytest.raises(type(error)):
        when_there(nowhere, failing(error), watch=at_once, say=pytest.fail)


def test_a_broken_sqlite_file_is_not_waited_for(sqlite: Database) -> None:
    assert sqlite.url.database is not None
    Path(sqlite.url.database).write_bytes(b"no database at all" * 100)
    with pytest.raises(sa.exc.DatabaseError, match="not a database"):
        when_there(sqlite, lambda: migrate.upgrade(sqlite), watch=at_once, say=pytest.fail)


def test_a_locked_sqlite_is_migrated_once_it_is_free(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core_database, "BUSY_TIMEOUT_MS", 50)
    lock = sqlite3.connect(str(sqlite.url.database), isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    said: list[str] = []

    def unlock(text: str) -> None:
        said.append(text)
        lock.close()

    when_there(sqlite, lambda: migrate.upgrade(sqlite), watch=at_once, say=unlock)
    assert len(said) == 1
    assert "database is locked" in said[0]
    with sqlite.read() as session:
        assert session.scalar(sa.select(sa.func.count(User.id))) == 0


def test_a_postgresql_that_does_not_run_is_waited_for(nowhere: Database) -> None:
    said: list[str] = []

    def until_told(until: Callable[[], bool]) -> bool:
        return not said and at_once(until)

    found = when_there(nowhere, lambda: migrate.upgrade(nowhere), watch=until_told, say=said.append)
    assert found is None
    assert "Connection refused" in said[0]


@pytest.mark.real("postgresql")
def test_a_postgresql_that_lets_us_not_in_is_an_error_in_its_own_words(
    postgres: Postgres,
) -> None:
    wrong = Database(postgres.new_database() + "-misspelt")
    with pytest.raises(Refused, match=r"-misspelt.* does not exist"):
        when_there(wrong, lambda: migrate.upgrade(wrong), watch=at_once, say=pytest.fail)


@pytest.mark.real("postgresql")
def test_a_postgresql_that_came_up_just_then_is_asked_once_more(postgres: Postgres) -> None:
    there = Database(postgres.new_database())
    work = failing(told_by_postgresql(None, "Connection refused"))
    said: list[str] = []
    assert when_there(there, work, watch=at_once, say=said.append) == "done"
    assert len(said) == 1


def test_a_database_that_never_answers_is_told_of_and_holds_up_no_stop(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_wait, "SILENT_S", 0.0)
    said: list[str] = []
    answers = threading.Event()

    def until_told(until: Callable[[], bool]) -> bool:
        return not said and until()

    assert when_there(sqlite, answers.wait, watch=until_told, say=said.append) is None
    answers.set()
    assert said == ["the database is slow, locked or does not answer; waiting for it"]
