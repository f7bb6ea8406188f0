"""When a slot occurs, also where clocks are turned."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from schedule.rundown import Recurrence, instant, next_start, occurrences

ZONES = ["Asia/Shanghai", "Asia/Urumqi", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]
days = st.dates(date(2020, 1, 1), date(2030, 12, 31))
times = st.times().map(lambda t: t.replace(microsecond=0, tzinfo=None))


def test_a_wall_time_in_shanghai_is_eight_hours_ahead_of_utc() -> None:
    assert instant(date(2026, 6, 1), time(12, 0), "Asia/Shanghai") == datetime(
        2026, 6, 1, 4, 0, tzinfo=UTC
    )


def test_a_time_the_clock_leaps_over_is_heard_as_much_later_as_the_leap() -> None:
    found = instant(date(2026, 3, 29), time(2, 30), "Europe/Berlin")
    assert found is not None
    assert found.astimezone(ZoneInfo("Europe/Berlin")).time() == time(3, 30)


def test_a_time_that_comes_twice_is_heard_the_first_time_only() -> None:
    found = instant(date(2026, 10, 25), time(2, 30), "Europe/Berlin")
    assert found == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_a_date_that_the_zone_never_had_is_left_out() -> None:
    assert instant(date(2011, 12, 30), time(8, 0), "Pacific/Apia") is None


def test_only_chosen_weekdays_between_the_dates_occur() -> None:
    rule = Recurrence(time(12), "Asia/Shanghai", (1, 3), date(2026, 6, 1), date(2026, 6, 10))
    found = [o.local_date.day for o in occurrences(rule, date(2026, 5, 1), date(2026, 7, 1))]
    assert found == [1, 3, 8, 10]


def test_the_next_start_is_later_than_the_moment_asked_for() -> None:
    rule = Recurrence(time(12), "Asia/Shanghai", (1,), date(2026, 6, 1), date(2026, 6, 8))
    first = datetime(2026, 6, 1, 4, tzinfo=UTC)
    assert next_start(rule, first - timedelta(seconds=1)) == first
    assert next_start(rule, first) == first + timedelta(days=7)
    assert next_start(rule, first + timedelta(days=7)) is None


@given(days, times, st.sampled_from(ZONES))
def test_every_planned_wall_time_shows_on_the_towns_clock(day: date, wall: time, zone: str) -> None:
    found = instant(day, wall, zone)
    assert found is not None
    shown = found.astimezone(ZoneInfo(zone))
    planned = datetime.combine(day, wall)
    late = shown.replace(tzinfo=None) - planned
    assert timedelta(0) <= late <= timedelta(hours=1)
    assert bool(late) == (not _exists(planned, zone))


def _exists(wall: datetime, zone: str) -> bool:
    """Whether some instant shows ``wall`` on the zone's clock: tries the offsets around it."""
    around = [(wall + timedelta(days=n)).replace(tzinfo=ZoneInfo(zone)) for n in (-1, 1)]
    instants = [(wall - at.utcoffset()).replace(tzinfo=UTC) for at in around]  # type: ignore[operator]
    return any(i.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == wall for i in instants)


@given(days, st.integers(0, 60), times, st.sampled_from(ZONES), st.sets(st.integers(1, 7)))
def test_each_local_date_occurs_at_most_once_and_in_order(
    first: date, length: int, wall: time, zone: str, weekdays: set[int]
) -> None:
    last = first + timedelta(days=length)
    found = list(occurrences(Recurrence(wall, zone, weekdays, first, last), first, last))
    assert [o.local_date for o in found] == sorted({o.local_date for o in found})
    assert [o.starts_at for o in found] == sorted({o.starts_at for o in found})
    assert all(first <= o.local_date <= last for o in found)
    expected = {first + timedelta(days=n) for n in range(length + 1)}
    assert {o.local_date for o in found} == {d for d in expected if d.isoweekday() in weekdays}


@given(days, times, st.sampled_from(ZONES), st.integers(1, 30))
def test_two_halves_of_a_period_give_the_same_as_the_whole(
    first: date, wall: time, zone: str, split: int
) -> None:
    last = first + timedelta(days=30)
    rule = Recurrence(wall, zone, range(1, 8), first, last)
    cut = first + timedelta(days=split)
    halves = [*occurrences(rule, first, cut - timedelta(days=1)), *occurrences(rule, cut, last)]
    assert halves == list(occurrences(rule, first, last))
