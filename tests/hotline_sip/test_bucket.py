"""Token buckets keep their promise for any arrival of calls and any number of callers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hotline.sip.bucket import Buckets


class Hand:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@given(
    pauses=st.lists(st.floats(0, 20), max_size=60),
    per_second=st.floats(0.01, 10),
    burst=st.integers(1, 20),
)
def test_no_stretch_of_time_gives_more_than_its_share_and_one_burst(
    pauses: list[float], per_second: float, burst: int
) -> None:
    clock = Hand()
    buckets = Buckets(per_second, burst, now=clock)
    taken_at: list[float] = []
    for pause_s in pauses:
        clock.now_s += pause_s
        if buckets.take("a"):
            taken_at.append(clock.now_s)
    for first, start_s in enumerate(taken_at):
        for last, end_s in enumerate(taken_at[first:], 1):
            assert last <= burst + per_second * (end_s - start_s) + 1e-6


@given(per_second=st.floats(0.01, 10), burst=st.integers(1, 20))
def test_whoever_waits_as_long_as_told_gets_a_token(per_second: float, burst: int) -> None:
    clock = Hand()
    buckets = Buckets(per_second, burst, now=clock)
    for _ in range(burst):
        assert buckets.wait_s("a") == 0
        assert buckets.take("a")
    assert not buckets.take("a")
    clock.now_s += buckets.wait_s("a") + 1e-6
    assert buckets.take("a")


def test_one_source_takes_nothing_from_another() -> None:
    buckets = Buckets(0.01, 1, now=Hand())
    assert buckets.take("a")
    assert not buckets.take("a")
    assert buckets.take("b")


def test_ten_thousand_forged_sources_leave_no_more_than_the_capacity() -> None:
    buckets = Buckets(1, 1, capacity=100, now=Hand())
    for source in range(10_000):
        buckets.take(str(source))
    assert len(buckets) == 100


def test_a_clock_that_jumps_back_gives_nothing() -> None:
    clock = Hand()
    buckets = Buckets(1, 1, now=clock)
    assert buckets.take("a")
    clock.now_s -= 500
    assert not buckets.take("a")
