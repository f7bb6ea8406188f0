"""Who is rung: by kind, village, hours, in the order of the list; the cheated reach somebody."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotline.directory import Directory, DutyPhone
from hotline.outgoing.who import is_on_duty, to_ring

HERE, THERE = "513221100201", "513221100202"
minutes = st.integers(0, 1439)
times = st.integers(0, 1440).map(lambda m: f"{m // 60:02}:{m % 60:02}")
phones = st.builds(
    DutyPhone,
    who=st.uuids().map(str),
    name=st.just("x"),
    kind=st.sampled_from(["duty", "human"]),
    number_sealed=st.just(""),
    villages=st.sampled_from([None, (HERE,), (THERE,), (HERE, THERE), ()]),
    from_time=times,
    until_time=times,
)
directories = st.lists(phones, max_size=6).map(lambda found: Directory(phones=tuple(found)))
instants = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)).map(
    lambda at: at.replace(tzinfo=UTC)
)


def phone(who: str, **more: object) -> DutyPhone:
    return DutyPhone(who, who, **{"kind": "duty", "number_sealed": "", **more})  # type: ignore[arg-type]


def names(directory: Directory, kind: str, village: str | None, at: datetime) -> list[str]:
    return [found.who for found in to_ring(directory, kind, village, at)]


@pytest.mark.parametrize(
    ("begin", "until", "minute", "on_duty"),
    [
        ("08:00", "18:00", 8 * 60, True),
        ("08:00", "18:00", 18 * 60, False),
        ("22:00", "06:00", 23 * 60, True),
        ("22:00", "06:00", 0, True),
        ("22:00", "06:00", 6 * 60, False),
        ("22:00", "06:00", 12 * 60, False),
        ("00:00", "24:00", 1439, True),
        ("18:00", "24:00", 0, False),
        ("18:00", "00:00", 1439, True),
        ("07:00", "07:00", 3, True),
        ("whenever", "25:99", 3, True),
    ],
)
def test_hours_may_pass_midnight(begin: str, until: str, minute: int, on_duty: bool) -> None:
    assert is_on_duty(phone("a", from_time=begin, until_time=until), minute) is on_duty


@given(times, times, minutes)
def test_two_complementary_shifts_cover_the_day_without_overlap(
    begin: str, until: str, minute: int
) -> None:
    first = phone("a", from_time=begin, until_time=until)
    second = phone("b", from_time=until, until_time=begin)
    day_mod = {"00:00", "24:00"}
    if begin == until or {begin, until} <= day_mod:
        assert is_on_duty(first, minute)
    elif "24:00" not in (begin, until):
        assert is_on_duty(first, minute) is not is_on_duty(second, minute)


def test_hours_are_those_of_the_towns_zone() -> None:
    night = phone("night", from_time="22:00", until_time="06:00")
    day = phone("day", from_time="06:00", until_time="22:00")
    directory = Directory(phones=(day, night), zone="Asia/Shanghai")
    assert names(directory, "duty", None, datetime(2026, 6, 1, 15, tzinfo=UTC)) == ["night"]
    assert names(directory, "duty", None, datetime(2026, 6, 1, 1, tzinfo=UTC)) == ["day"]


def test_phones_of_the_village_ring_in_the_order_of_the_list() -> None:
    directory = Directory(
        phones=(
            phone("second village", villages=(THERE,)),
            phone("ours", villages=(HERE,)),
            phone("everybody's"),
            phone("a person", kind="human"),
        )
    )
    at = datetime(2026, 6, 1, tzinfo=UTC)
    assert names(directory, "duty", HERE, at) == ["ours", "everybody's"]
    assert names(directory, "human", HERE, at) == ["a person"]
    assert len(names(directory, "duty", None, at)) == 3


@given(directories, st.sampled_from(["duty", "human"]), st.sampled_from([HERE, None]), instants)
def test_only_phones_of_that_kind_in_their_order(
    directory: Directory, kind: str, village: str | None, at: datetime
) -> None:
    found = to_ring(directory, kind, village, at)
    order = [one.who for one in directory.phones if one.kind == kind]
    assert [who for who in order if who in {one.who for one in found}] == [o.who for o in found]


@given(directories, st.sampled_from([HERE, None]), instants)
def test_who_was_cheated_reaches_somebody_when_there_is_any_duty_phone(
    directory: Directory, village: str | None, at: datetime
) -> None:
    exists = any(one.kind == "duty" for one in directory.phones)
    assert bool(to_ring(directory, "duty", village, at)) is exists


@given(directories, instants)
def test_people_are_not_called_out_of_their_hours_for_a_mere_question(
    directory: Directory, at: datetime
) -> None:
    local = at.astimezone(ZoneInfo(directory.zone))
    for found in to_ring(directory, "human", HERE, at):
        assert is_on_duty(found, local.hour * 60 + local.minute)
