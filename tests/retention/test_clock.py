"""A clock that leapt deletes nothing: not for a day, and the longer the wider it leapt."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cases import retention_clock
from cases.models import RetentionWatch
from cases.retention_clock import Watch
from cases.retention_job import THE_ROW, RetentionKeeper, Run
from core import audit
from core.clock import utc_now
from tests.conftest import on_both_databases
from tests.retention.conftest import Town

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
STEADY = Watch(looked_at=NOON, not_before=NOON - timedelta(days=100))
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def days_until_it_deletes(gap: timedelta, before: Watch = STEADY) -> float:
    """Of a server that looks ``gap`` after the last look."""
    now = before.looked_at + gap
    return max((retention_clock.look(before, None, now).not_before - now) / DAY, 0)


@pytest.mark.parametrize(
    ("gap", "days"),
    [
        (HOUR, 0),
        (3 * DAY, 0),
        (3 * DAY + HOUR, 1),
        (10 * DAY, 1),
        (30 * DAY, 3),
        (3650 * DAY, 365),
        (-HOUR, 0),
        (-2 * HOUR, 1),
        (-3650 * DAY, 1),
    ],
)
def test_how_long_it_waits_after_a_leap(gap: timedelta, days: float) -> None:
    assert days_until_it_deletes(gap) == days


@pytest.mark.parametrize(("known", "days"), [(None, 1), (-HOUR, 1), (-20 * DAY, 2), (DAY, 1)])
def test_the_first_look_ever_waits_a_day_at_least(known: timedelta | None, days: float) -> None:
    newest = NOON + known if known is not None else None
    assert retention_clock.look(None, newest, NOON).not_before == NOON + days * DAY


def test_a_clock_put_right_ends_the_long_wait() -> None:
    far = retention_clock.look(STEADY, None, NOON + 3650 * DAY)
    back = retention_clock.look(far, None, NOON + HOUR)
    assert back.not_before == NOON + HOUR + DAY


def test_a_second_leap_does_not_shorten_the_wait() -> None:
    far = retention_clock.look(STEADY, None, NOON + 3650 * DAY)
    further = retention_clock.look(far, None, far.looked_at + 4 * DAY)
    assert further.not_before == far.not_before


def test_hours_in_which_the_server_was_off_do_not_count() -> None:
    waiting = Watch(looked_at=NOON, not_before=NOON + DAY)
    assert retention_clock.look(waiting, None, NOON + HOUR).not_before == NOON + DAY
    after_a_night = retention_clock.look(waiting, None, NOON + 12 * HOUR)
    assert after_a_night.not_before == NOON + DAY + 10 * HOUR


@pytest.mark.parametrize(
    ("ran_at", "is_time"),
    [(None, True), (NOON - HOUR, False), (NOON - DAY, True), (NOON + 3650 * DAY, True)],
)
def test_it_runs_once_a_day(ran_at: datetime | None, is_time: bool) -> None:
    assert replace(STEADY, ran_at=ran_at).is_time(NOON) is is_time


# --- the keeper ----------------------------------------------------------------------------------


def due(town: Town) -> int:
    report_id = town.spoken()
    town.closed(report_id)
    town.days_pass(181)
    town.age_files()
    return report_id


def looks(keeper: RetentionKeeper, town: Town, hours: int) -> list[Run]:
    """A look each hour."""
    found = []
    for _ in range(hours):
        town.clock.advance(HOUR)
        done = keeper.look()
        found += [done] if done is not None else []
    return found


@on_both_databases
def test_a_server_that_runs_deletes_once_a_day(town: Town) -> None:
    due(town)
    keeper = town.keeper()
    with town.database.write() as session:
        audit.record(session, "somebody", "login", "user:1")
    keeper.look()
    runs = looks(keeper, town, 24 * 3 + 1)
    assert [one.sounds for one in runs] == [1, 0, 0]


@on_both_databases
def test_a_clock_ten_years_ahead_deletes_nothing_for_months(town: Town) -> None:
    report_id = town.spoken()
    town.closed(report_id)
    keeper = town.keeper()
    keeper.look()
    assert len(looks(keeper, town, 30)) == 1
    town.days_pass(3650)
    assert keeper.look() is None
    assert looks(keeper, town, 24 * 10) == []
    assert town.is_whole(report_id)


@on_both_databases
def test_a_server_that_starts_years_later_waits_too(town: Town) -> None:
    report_id = town.spoken()
    town.closed(report_id)
    first = town.keeper()
    first.look()
    first._duty.give_back()
    town.days_pass(3650)
    keeper = town.keeper()
    assert looks(keeper, town, 24 * 5) == []
    assert town.is_whole(report_id)


@on_both_databases
def test_a_database_nobody_has_watched_goes_by_its_newest_news(town: Town) -> None:
    due(town)
    keeper = town.keeper()
    assert keeper.look() is None
    with town.database.read() as session:
        row = session.get_one(RetentionWatch, THE_ROW)
        assert row.not_before == utc_now() + timedelta(days=18.1)


@on_both_databases
def test_a_run_that_was_cut_off_is_made_again_at_once(town: Town) -> None:
    due(town)
    with town.database.write() as session:
        session.add(RetentionWatch(id=THE_ROW, looked_at=utc_now(), not_before=utc_now()))
    keeper = town.keeper()
    keeper.stop()
    assert keeper.look() is None
    again = town.keeper()
    keeper._duty.give_back()
    done = again.look()
    assert done is not None
    assert done.sounds == 1


@on_both_databases
def test_without_the_duty_nobody_looks(town: Town) -> None:
    assert town.keeper()._duty.is_ours()
    assert town.keeper().look() is None
    with town.database.read() as session:
        assert session.get(RetentionWatch, THE_ROW) is None
