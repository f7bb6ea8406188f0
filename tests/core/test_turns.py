"""Writers of one process come in the order they asked, and nobody's turn is lost."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from core import areas
from core import database as databases
from core.database import Database
from core.models import Area
from core.settings import Settings
from core.turns import DUTIES, Turns

PROVINCES = [f"{number}0000000000" for number in range(11, 17)]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def add(database: Database, code: str) -> None:
    with database.write() as session:
        areas.add(session, code, "示例省", "province")


def test_who_came_first_is_next() -> None:
    turns, came = Turns(), list[int]()
    assert turns.take(1)

    def one(number: int) -> None:
        assert turns.take(20)
        came.append(number)
        turns.give_back()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(20)]
    for number, thread in enumerate(threads):
        thread.start()
        wait_until(lambda number=number: turns.waiting == number + 1)  # type: ignore[misc]
    turns.give_back()
    for thread in threads:
        thread.join()
    assert came == list(range(20))


def test_a_duty_waits_for_one_request_and_not_for_all() -> None:
    turns, came = Turns(), list[str]()
    assert turns.take(1)

    def one(name: str, *lane: int) -> None:
        assert turns.take(20, *lane)
        came.append(name)
        turns.give_back()

    asked = [threading.Thread(target=one, args=(f"request {number}",)) for number in range(4)]
    duties = [threading.Thread(target=one, args=(f"duty {number}", DUTIES)) for number in range(2)]
    for number, thread in enumerate([*asked, *duties]):
        thread.start()
        wait_until(lambda number=number: turns.waiting == number + 1)  # type: ignore[misc]
    turns.give_back()
    for thread in [*asked, *duties]:
        thread.join()
    assert came == ["duty 0", "request 0", "duty 1", "request 1", "request 2", "request 3"]


def test_who_gave_up_is_not_waited_for() -> None:
    turns = Turns()
    assert turns.take(1)
    assert not turns.take(0.01)
    turns.give_back()
    assert turns.take(1)


def test_a_writer_waits_at_most_its_time_and_says_so(
    config: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "BUSY_TIMEOUT_MS", 50)
    with database.write() as session:
        areas.add(session, PROVINCES[0], "示例省", "province")
        session.flush()
        with pytest.raises(sa.exc.OperationalError, match="database is locked"):
            add(database, PROVINCES[1])
    add(database, PROVINCES[2])
    with database.read() as session:
        assert set(session.scalars(sa.select(Area.code))) == {PROVINCES[0], PROVINCES[2]}


def test_a_writer_kept_out_by_another_process_gives_its_turn_back(
    config: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "BUSY_TIMEOUT_MS", 50)
    slow = Database.from_settings(config)
    other = sqlite3.connect(config.data_dir / "xiangyin.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for code in PROVINCES[:3]:
        with pytest.raises(sa.exc.OperationalError, match="database is locked"):
            add(slow, code)
    other.execute("ROLLBACK")
    other.close()
    add(slow, PROVINCES[0])
    slow.close()


def test_a_transaction_that_failed_gives_its_turn_back(database: Database) -> None:
    add(database, PROVINCES[0])
    for _ in range(3):
        with pytest.raises(sa.exc.IntegrityError), database.write() as session:
            session.add(Area(code=PROVINCES[0], name="x", level="province"))
    add(database, PROVINCES[1])


def test_who_only_reads_waits_for_nobody(database: Database) -> None:
    add(database, PROVINCES[0])
    with database.write() as session:
        areas.add(session, PROVINCES[1], "示例省", "province")
        session.flush()
        with database.read() as reading:
            assert reading.scalars(sa.select(Area.code)).all() == [PROVINCES[0]]
