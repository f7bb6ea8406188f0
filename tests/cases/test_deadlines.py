"""Clocks of cases: the table, rounds, rests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import deadlines
from cases.vocabulary import LEVELS, SERVICES

START = datetime(2026, 6, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass
class Event:
    at: datetime
    action: str
    cycle_no: int = 1


@pytest.mark.parametrize(
    ("level", "service", "urgent", "allowed"),
    [
        ("general", "road", False, 7 * DAY),
        ("general", None, False, 7 * DAY),
        ("general", "utilities", False, DAY),
        ("major", "dispute", False, 7 * DAY),
        ("complex", "land", False, 15 * DAY),
        ("complex", "utilities", False, 15 * DAY),
        ("cross_county", "environment", False, 15 * DAY),
        ("complex", "land", True, 2 * HOUR),
        ("general", "utilities", True, 2 * HOUR),
    ],
)
def test_the_table(level: str, service: str | None, urgent: bool, allowed: timedelta) -> None:
    assert deadlines.due_at(level, service, urgent, START) == START + allowed


@given(
    st.sampled_from(list(LEVELS)),
    st.sampled_from([None, *(service.code for service in SERVICES)]),
)
def test_urgent_never_takes_longer(level: str, service: str | None) -> None:
    urgent = deadlines.time_allowed(level, service, True)
    assert urgent <= deadlines.time_allowed(level, service, False) <= 15 * DAY


def test_a_round_begins_with_its_reopening() -> None:
    happened = [Event(START + DAY, "assign"), Event(START + 9 * DAY, "reopen", 2)]
    assert deadlines.cycle_started_at(happened, 1, START) == START
    assert deadlines.cycle_started_at(happened, 2, START) == START + 9 * DAY


def test_assigning_again_resets_nothing() -> None:
    happened = [Event(START + DAY, "assign"), Event(START + 3 * DAY, "assign")]
    assert deadlines.cycle_started_at(happened, 1, START) == START


def test_only_rests_of_this_round_count() -> None:
    happened = [
        Event(START, "hold", 1),
        Event(START + 2 * DAY, "resume", 1),
        Event(START + 5 * DAY, "hold", 2),
        Event(START + 6 * DAY, "resume", 2),
    ]
    assert deadlines.time_on_hold(happened, 2, START + 9 * DAY) == DAY


def test_a_rest_that_goes_on_counts_up_to_now() -> None:
    happened = [Event(START + DAY, "hold")]
    assert deadlines.time_on_hold(happened, 1, START + 3 * DAY) == 2 * DAY
