"""Rounds of an override: no gap, no double, none when it is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from broadcast import override_rounds
from broadcast.override_rounds import PAUSE, Rhythm, Round

FIRST = datetime(2026, 6, 1, tzinfo=UTC)
FAR = FIRST + timedelta(days=400)
seconds = st.integers(1, 90_000).map(lambda count: timedelta(seconds=count))


@st.composite
def rhythms(draw: st.DrawFn) -> Rhythm:
    duration = draw(st.integers(1, 900).map(lambda count: timedelta(seconds=count)))
    shortest = override_rounds.shortest_repeat(duration)
    more = draw(st.integers(0, 7200).map(lambda count: timedelta(seconds=count)))
    cancelled = draw(st.none() | seconds)
    return Rhythm(
        first_at=FIRST,
        valid_until=FIRST + draw(seconds),
        duration=duration,
        repeat_every=draw(st.none() | st.just(shortest + more)),
        cancelled_at=None if cancelled is None else FIRST + cancelled,
    )


def all_rounds(rhythm: Rhythm) -> list[Round]:
    return list(override_rounds.rounds(rhythm, FAR))


@given(rhythms())
def test_the_first_round_is_there_at_once(rhythm: Rhythm) -> None:
    first = all_rounds(rhythm)[0]
    assert (first.number, first.starts_at) == (1, rhythm.first_at)


@given(rhythms())
def test_rounds_follow_each_other_without_gap_or_double(rhythm: Rhythm) -> None:
    found = all_rounds(rhythm)
    assert [each.number for each in found] == list(range(1, len(found) + 1))
    for earlier, later in pairwise(found):
        assert later.starts_at - earlier.starts_at == rhythm.repeat_every


@given(rhythms())
def test_none_begins_when_it_is_over_and_none_is_missing_before(rhythm: Rhythm) -> None:
    found = all_rounds(rhythm)
    assert all(each.starts_at < rhythm.over_at for each in found)
    if rhythm.repeat_every is not None:
        assert found[-1].starts_at + rhythm.repeat_every >= rhythm.over_at


@given(rhythms())
def test_a_round_that_is_made_up_never_runs_into_the_next(rhythm: Rhythm) -> None:
    found = all_rounds(rhythm)
    for earlier, later in pairwise(found):
        assert earlier.make_up_until + rhythm.duration + PAUSE <= later.starts_at


@given(rhythms())
def test_a_round_is_not_made_up_beyond_its_validity(rhythm: Rhythm) -> None:
    assert all(each.make_up_until <= rhythm.valid_until for each in all_rounds(rhythm))


@given(rhythms())
def test_a_single_one_reaches_players_that_come_back_to_the_end(rhythm: Rhythm) -> None:
    (only,) = all_rounds(replace(rhythm, repeat_every=None))
    assert only.make_up_until == rhythm.valid_until


@given(rhythms(), seconds)
def test_at_any_instant_the_newest_and_the_next_round_lie_around_it(
    rhythm: Rhythm, later: timedelta
) -> None:
    now = FIRST + later
    found = all_rounds(rhythm)
    begun = [each for each in found if each.starts_at <= now]
    ahead = [each for each in found if each.starts_at > now]
    expected = begun[-1] if now < rhythm.over_at else None
    assert override_rounds.newest(rhythm, now) == expected
    assert override_rounds.following(rhythm, now) == (ahead[0] if ahead else None)


@given(rhythms(), seconds, seconds)
def test_rolled_forward_in_steps_they_are_the_same_rounds(
    rhythm: Rhythm, step: timedelta, far: timedelta
) -> None:
    until = FIRST + min(far, timedelta(hours=6))
    made: list[Round] = []
    upto = FIRST
    for _ in range(200):
        made += override_rounds.rounds(rhythm, min(upto, until), after=len(made))
        upto += step
    made += override_rounds.rounds(rhythm, until, after=len(made))
    assert made == list(override_rounds.rounds(rhythm, until))


@given(rhythms(), seconds)
def test_cancelling_takes_away_what_lies_ahead_and_nothing_else(
    rhythm: Rhythm, later: timedelta
) -> None:
    going_on = replace(rhythm, cancelled_at=None)
    cancelled = replace(rhythm, cancelled_at=FIRST + later)
    kept = [each for each in all_rounds(going_on) if each.starts_at < FIRST + later]
    assert all_rounds(cancelled) == kept
