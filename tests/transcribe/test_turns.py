"""Which streams are heard and which rest."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from transcribe import turns
from transcribe.stream import GrowingSound
from transcribe.turns import Stream

SOUND = GrowingSound(("a.pcm",), 8000)


def stream(key: str, **facts: object) -> Stream:
    made = Stream(key, SOUND, 0.0)
    for name, value in facts.items():
        setattr(made, name, value)
    return made


@st.composite
def towns(draw: st.DrawFn) -> list[Stream]:
    count = draw(st.integers(0, 12))
    return [
        stream(
            f"call-{number}",
            pid=draw(st.sampled_from([None, number + 1])),
            ended=draw(st.booleans()),
            over=draw(st.booleans()),
            told_at_s=draw(st.floats(0, 100)),
        )
        for number in range(count)
    ]


@given(towns(), st.integers(0, 8))
def test_never_more_streams_are_heard_than_the_cap_allows(town: list[Stream], cap: int) -> None:
    heard = sum(one.pid is not None for one in town)
    started = turns.to_start(town, cap)
    assert len(started) <= max(0, cap - heard)
    assert all(one.pid is None and not one.over and not one.ended for one in started)


def test_who_waits_longest_begins_first() -> None:
    assert [one.key for one in turns.to_start([stream("a"), stream("b")], 1)] == ["a"]


def test_a_call_that_is_over_before_its_turn_is_left_to_the_decoders() -> None:
    assert turns.to_start([stream("a", ended=True)], 1) == []


def test_a_sound_nobody_speaks_of_is_finished() -> None:
    town = [stream("dead", told_at_s=0.0), stream("alive", told_at_s=9.0)]
    assert [one.key for one in turns.fell_quiet(town, 10.0)] == ["dead"]
    assert turns.fell_quiet([stream("done", ended=True)], 10.0) == []


def test_growing_streams_stand_aside_while_finished_ones_need_every_core() -> None:
    growing = stream("growing", pid=1)
    finished = [stream(f"finished-{n}", pid=n, ended=True) for n in (2, 3)]
    assert turns.resting([growing, *finished], 2, 0.0) == {"growing"}
    assert turns.resting([growing, *finished], 4, 0.0) == set()
    assert turns.resting([growing], 2, 0.0) == set()


@given(towns(), st.integers(1, 8), st.floats(0, 1000))
def test_nobody_starves_and_who_is_finished_never_rests(
    town: list[Stream], cores: int, now_s: float
) -> None:
    finished = {one.key for one in town if one.ended}
    seen = [turns.resting(town, cores, now_s + tenth / 10) for tenth in range(41)]
    assert not any(rest & finished for rest in seen)
    assert set() in seen


def test_what_is_over_is_remembered_for_a_while() -> None:
    town = [stream("over", over=True), stream("heard", pid=1, ended=True), stream("grows")]
    assert turns.to_forget(town, turns.REMEMBER_S - 1) == []
    assert [one.key for one in turns.to_forget(town, turns.REMEMBER_S + 1)] == ["over"]
