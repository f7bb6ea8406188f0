"""Two schedulers on one PostgreSQL: one works, the other takes over; no play twice or missing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.clock import utc_now
from core.database import Database
from core.models import Lease
from schedule import slots
from schedule.models import Play
from tests.schedule import town as towns
from tests.schedule.town import Town, noon_plan

pytestmark = [
    pytest.mark.slow,
    pytest.mark.real("postgresql"),
    pytest.mark.parametrize("database", ["postgresql"], indirect=True),
]
ROOT = Path(__file__).resolve().parent.parent.parent
TTL_S = 3


class Scheduler:
    """One process and what it said."""

    def __init__(self, database: Database, *before: str) -> None:
        url = database.url.render_as_string(hide_password=False)
        self.process = subprocess.Popen(
            [*before, sys.executable, "-m", "tests.schedule.duty_process", url, str(TTL_S)],
            cwd=ROOT,
            env={**os.environ, "TZ": "Asia/Shanghai"},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()
        wait_until(lambda: self.said)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(line.strip())

    @property
    def on_duty(self) -> bool:
        return self.said[-1] == "on duty"

    @property
    def decided(self) -> bool:
        return len(self.said) > 1


def wait_until(condition: Callable[[], object], limit_s: float = 60) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.fixture
def start(database: Database) -> Iterator[Callable[..., Scheduler]]:
    running: list[Scheduler] = []

    def begin(*before: str) -> Scheduler:
        running.append(Scheduler(database, *before))
        return running[-1]

    yield begin
    for each in running:
        each.process.kill()
        each.process.wait()


@pytest.fixture
def town(database: Database) -> Town:
    return towns.build(database)


def plan(database: Database, town: Town, name: str) -> None:
    with database.write() as session:
        today = utc_now().date()
        dates = {"first_date": today, "last_date": today + timedelta(days=60)}
        slots.create(session, town.recorder, noon_plan(town, name=name, **dates))


def planned(database: Database) -> tuple[int, int]:
    """(plays, different plays)."""
    key = sa.tuple_(Play.slot_id, Play.area_code, Play.local_date)
    with database.read() as session:
        rows = session.execute(sa.select(Play.slot_id, Play.area_code, Play.local_date)).all()
        assert session.scalar(sa.select(sa.func.count(sa.distinct(key)))) == len(set(rows))
    return len(rows), len(set(rows))


def hands_over(
    database: Database, town: Town, first: Scheduler, second: Scheduler, end: Callable[[], object]
) -> None:
    """``first`` works alone; after ``end`` the other one does what has come meanwhile."""
    wait_until(lambda: first.decided and second.decided)
    assert [first.on_duty, second.on_duty] == [True, False]
    wait_until(lambda: planned(database)[0] > 0)
    alone = planned(database)[0]
    end()
    plan(database, town, "又一个")
    wait_until(lambda: planned(database)[0] == 2 * alone)
    assert second.on_duty
    assert planned(database) == (2 * alone, 2 * alone)


def test_when_the_holder_is_killed_the_other_takes_over(
    database: Database, town: Town, start: Callable[..., Scheduler]
) -> None:
    plan(database, town, "午间")
    first = start()
    wait_until(lambda: first.decided)
    second = start()
    hands_over(database, town, first, second, first.process.kill)


@pytest.mark.real("faketime")
def test_a_clock_that_is_a_minute_off_neither_steals_the_duty_nor_loses_it(
    database: Database, town: Town, start: Callable[..., Scheduler]
) -> None:
    plan(database, town, "午间")
    first = start()
    wait_until(lambda: first.decided)
    ahead = start("faketime", "-f", "+60s")
    time.sleep(3 * TTL_S)
    hands_over(database, town, first, ahead, first.process.kill)


def test_a_holder_that_was_frozen_finds_its_duty_gone(
    database: Database, town: Town, start: Callable[..., Scheduler]
) -> None:
    plan(database, town, "午间")
    first = start()
    wait_until(lambda: first.decided)
    second = start()
    hands_over(database, town, first, second, lambda: first.process.send_signal(19))
    first.process.send_signal(18)
    wait_until(lambda: not first.on_duty)
    with database.read() as session:
        holder = session.get_one(Lease, "scheduler").holder
    assert f":{second.process.pid}:" in holder
    plan(database, town, "第三个")
    wait_until(lambda: planned(database)[0] > 0 and planned(database)[0] % 3 == 0)
    assert len(set(planned(database))) == 1
