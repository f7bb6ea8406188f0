"""The keeper's thread: sweeps at once, again and again, and stops."""

from __future__ import annotations

import threading
import time
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from core.clock import FakeClock
from core.database import Database
from core.leases import Duty
from core.models import Lease
from schedule import slots
from schedule.keeper import LEASE, Keeper
from schedule.models import Play
from tests.schedule import town as towns
from tests.schedule.town import noon_plan


def wait_until(condition: object, limit_s: float = 15) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def count(database: Database) -> int:
    with database.read() as session:
        return session.scalar(sa.select(sa.func.count(Play.id))) or 0


def test_it_sweeps_at_the_start_and_then_again_and_gives_the_duty_back(
    database: Database, fake_clock: FakeClock
) -> None:
    town = towns.build(database)
    with database.write() as session:
        slots.create(session, town.recorder, noon_plan(town))
    keeper = Keeper(database, every_s=0.2)
    thread = threading.Thread(target=keeper.run_forever)
    thread.start()
    try:
        wait_until(lambda: count(database) == 21)
        fake_clock.advance(timedelta(days=1))
        wait_until(lambda: count(database) == 24)
    finally:
        keeper.stop()
        thread.join(10)
    assert not thread.is_alive()
    with database.read() as session:
        assert session.get(Lease, "scheduler") is None


def test_a_keeper_that_dies_keeps_the_duty_which_others_share(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    duty = Duty(database, LEASE)
    keeper = Keeper(database, duty)

    def look() -> None:
        raise KeyError("something nobody thought of")

    monkeypatch.setattr(keeper, "_look", look)
    with pytest.raises(KeyError):
        keeper.run_forever()
    assert duty.is_ours()


def test_a_wake_that_was_missed_is_heard_and_caught_up(
    database: Database, fake_clock: FakeClock
) -> None:
    town = towns.build(database)
    with database.write() as session:
        slots.create(session, town.recorder, noon_plan(town, last_date=date(2026, 6, 1)))
    keeper = Keeper(database)
    keeper._heard_missed(SimpleNamespace(scheduled_run_time=datetime(2026, 6, 1, tzinfo=UTC)))
    assert (keeper.missed_wakes, count(database)) == (1, 3)


def test_a_database_that_is_away_does_not_end_the_keeper(
    database: Database, fake_clock: FakeClock
) -> None:
    with database.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE lease"))
    assert Keeper(database).sweep() == 0
