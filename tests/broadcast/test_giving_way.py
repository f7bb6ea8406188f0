"""What became of a play that something more urgent met."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.beside_plan import Sounded
from broadcast.giving_way import gave_way
from schedule.models import Play

NOON = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)
VILLAGE = "510101001000"
LONG_AFTER = NOON + timedelta(hours=5)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def play(**changes: Any) -> Play:
    """Ten minutes from noon, to be made up within an hour; heard on time."""
    plain = {
        "id": 1, "area_code": VILLAGE, "priority": 50, "state": "played", "reason": None,
        "starts_at": NOON, "make_up_until": at(60), "duration_ms": 600_000,
        "started_at": NOON, "ended_at": at(10),
    }  # fmt: skip
    return Play(**{**plain, **changes})


FLOOD = Sounded("emergency", "7", VILLAGE, "洪水", "所长", at(3), at(4), 100)


def test_a_play_that_went_on_after_it_was_broken_off() -> None:
    (way,) = gave_way(play(ended_at=at(11)), [FLOOD], LONG_AFTER)
    assert (way.fate, way.at, way.to) == ("resumed", at(3), FLOOD)


def test_a_play_that_was_heard_whole_afterwards() -> None:
    (way,) = gave_way(play(started_at=at(4), ended_at=at(14)), [FLOOD], LONG_AFTER)
    assert (way.fate, way.at) == ("later", at(3))


def test_what_sounded_already_at_its_time_is_told_from_its_time_on() -> None:
    early = replace(FLOOD, started_at=at(-1), ended_at=at(1))
    (way,) = gave_way(play(started_at=at(1), ended_at=at(11)), [early], LONG_AFTER)
    assert (way.fate, way.at) == ("later", NOON)


@pytest.mark.parametrize("reason", ["preempted", "overlap"])
def test_a_play_that_found_no_room_again(reason: str) -> None:
    lost = play(state="missed", reason=reason, started_at=None, ended_at=None)
    (way,) = gave_way(lost, [FLOOD], LONG_AFTER)
    assert way.fate == "lost"


def test_a_play_that_may_still_be_made_up() -> None:
    waits = play(state="published", started_at=None, ended_at=None)
    (way,) = gave_way(waits, [replace(FLOOD, ended_at=None)], at(3.5))
    assert way.fate == "waiting"


@pytest.mark.parametrize(
    ("met", "sound"),
    [
        (play(state="missed", reason="no_receipt", started_at=None, ended_at=None), FLOOD),
        (play(state="cancelled", started_at=None), FLOOD),
        (play(), replace(FLOOD, started_at=at(10), ended_at=at(11))),
        (play(), replace(FLOOD, started_at=at(-2), ended_at=at(-1))),
        (play(), replace(FLOOD, area_code="510101002000")),
        (play(), replace(FLOOD, kind="test", priority=50)),
        (play(priority=100), FLOOD),
        (play(), replace(FLOOD, started_at=at(-1), ended_at=at(1))),
        (play(started_at=at(30), ended_at=at(40)), replace(FLOOD, started_at=at(-9),
                                                           ended_at=at(-8))),
    ],
    ids=["reason of its own", "called off", "after it", "before it", "elsewhere", "no higher",
         "an emergency itself", "on time all the same", "late for another cause"],
)  # fmt: skip
def test_what_made_way_for_nothing(met: Play, sound: Sounded) -> None:
    assert gave_way(met, [sound], LONG_AFTER) == []


def test_rounds_of_one_override_are_told_once_with_their_first() -> None:
    rounds = [replace(FLOOD, started_at=at(n), ended_at=at(n + 1)) for n in (7, 2)]
    (way,) = gave_way(play(ended_at=at(12)), rounds, LONG_AFTER)
    assert way.at == at(2)


@given(
    begin=st.integers(-200, 200), length=st.integers(1, 60), priority=st.sampled_from([10, 50, 100])
)
def test_nothing_is_blamed_that_ranks_lower_or_never_met_it(
    begin: int, length: int, priority: int
) -> None:
    sound = replace(FLOOD, started_at=at(begin), ended_at=at(begin + length), priority=priority)
    for met in (play(), play(started_at=at(20), ended_at=at(30)),
                play(state="missed", reason="preempted", started_at=None)):  # fmt: skip
        for way in gave_way(met, [sound], LONG_AFTER):
            assert way.to.priority > met.priority
            assert way.to.ended_at is not None
            assert way.to.ended_at > met.starts_at
