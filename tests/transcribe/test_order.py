"""Who goes first: short before long, urgent before all, and nobody waits for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcribe import order
from transcribe.order import Standing

START = datetime(2026, 6, 1, tzinfo=UTC)
durations = st.integers(500, 600_000)
arrivals = st.lists(
    st.tuples(st.integers(0, 3_000_000), durations, st.sampled_from([20, 50, 90])),
    min_size=1,
    max_size=40,
)
Asked = tuple[int, int, int]


def standing(number: int, asked: Asked) -> Standing:
    at_ms, duration_ms, priority = asked
    asked_at = START + timedelta(milliseconds=at_ms)
    return Standing(priority, order.due_rank(asked_at, duration_ms), duration_ms, number)


def served(asked: list[Asked]) -> list[int]:
    """Numbers in the order in which one decoder, as slow as the speaker, takes them."""
    waiting = {number: standing(number, one) for number, one in enumerate(asked)}
    taken, now_ms = [], 0
    while waiting:
        here = [number for number in waiting if asked[number][0] <= now_ms]
        if not here:
            now_ms = min(asked[number][0] for number in waiting)
            continue
        first = min(here, key=lambda number: waiting[number].place)
        del waiting[first]
        taken.append(first)
        now_ms += asked[first][1]
    return taken


@given(arrivals)
def test_a_long_one_waits_for_nobody_that_came_later_than_four_times_its_length(
    asked: list[Asked],
) -> None:
    place = {number: index for index, number in enumerate(served(asked))}
    for long, (at_ms, duration_ms, priority) in enumerate(asked):
        for other, (later_ms, _, other_priority) in enumerate(asked):
            too_late = later_ms > at_ms + order.PUSH_BACK * duration_ms
            if too_late and other_priority <= priority:
                assert place[long] < place[other]


@given(arrivals)
def test_of_two_that_wait_together_the_urgent_goes_first_then_the_shorter(
    asked: list[Asked],
) -> None:
    together = [(0, duration_ms, priority) for _, duration_ms, priority in asked]
    sorted_ones = [(-together[n][2], together[n][1]) for n in served(together)]
    assert sorted_ones == sorted(sorted_ones)


@given(arrivals, durations)
def test_the_urgent_never_wait_for_the_ordinary(asked: list[Asked], duration_ms: int) -> None:
    urgent = standing(99, (3_000_000, duration_ms, 90))
    for number, one in enumerate(asked):
        if one[2] < 90:
            assert urgent.place < standing(number, one).place


@given(durations, st.integers(0, 4_000_000), durations)
def test_at_work_a_sound_is_passed_by_the_urgent_or_by_the_much_shorter_that_came_in_time(
    long_ms: int, later_ms: int, other_ms: int
) -> None:
    at_work = standing(1, (0, long_ms, 50))
    other = standing(2, (later_ms, other_ms, 50))
    expected = other_ms * 4 <= long_ms and later_ms + 4 * other_ms < 4 * long_ms
    assert order.may_pass(at_work, other) == expected
    assert order.may_pass(at_work, standing(3, (later_ms, other_ms, 90)))
    assert not order.may_pass(at_work, standing(3, (later_ms, other_ms, 20)))


def test_a_sound_of_unknown_length_passes_nobody_unless_it_is_urgent() -> None:
    at_work = standing(1, (0, 600_000, 50))
    unknown = Standing(50, START, None, 2)
    assert not order.may_pass(at_work, unknown)
    assert order.may_pass(at_work, Standing(90, START, None, 2))


@given(st.integers(1_000, 600_000), st.lists(st.integers(50, 20_000), max_size=60))
def test_at_work_a_sound_keeps_a_quarter_of_the_time_but_for_the_first_and_the_last_pause(
    needed_ms: int, passing_ms: list[int]
) -> None:
    worked_ms, paused_ms, queue = 0, 0, list(passing_ms)
    while worked_ms < needed_ms:
        worked_ms += 500
        while queue and order.may_pause(worked_ms, paused_ms):
            paused_ms += queue.pop()
    bound = order.MOST_PAUSED * worked_ms + order.FREE_PAUSE_MS + max(passing_ms, default=0)
    assert paused_ms <= bound


@given(durations, st.integers(0, 600_000))
def test_what_broke_a_decoder_stands_behind_what_is_asked_for_meanwhile_but_not_for_ever(
    duration_ms: int, short_ms: int
) -> None:
    suspect = order.suspect_rank(START, duration_ms)
    assert suspect >= order.due_rank(START, short_ms)
    assert suspect <= START + timedelta(hours=1)


@given(durations, st.floats(0.001, 2.0))
def test_the_processor_time_of_a_try_grows_up_to_all_that_is_allowed(
    duration_ms: int, pace: float
) -> None:
    first, second, third = (order.cpu_limit_s(number, duration_ms, pace) for number in (1, 2, 3))
    assert first is not None
    assert second is not None
    assert first >= max(1.0, 10 * duration_ms / 1000 * pace) * 0.999
    assert second == pytest.approx(4 * first)
    assert third is None
