"""How wrong the words are, and where doubt begins: counts in, figures out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcribe import quality
from transcribe.quality import Point
from transcribe.speechio import ErrorCounts

counts = st.integers(1, 80).flatmap(
    lambda said: st.builds(ErrorCounts, st.integers(0, said), characters=st.just(said))
)
points = st.builds(Point, st.floats(0, 1), counts)


def texts(confidence: float, wrong: int, many: int, characters: int = 20) -> list[Point]:
    return [Point(confidence, ErrorCounts(wrong, characters=characters))] * many


def test_a_rate_is_all_errors_over_all_characters() -> None:
    found = quality.estimate([ErrorCounts(1, characters=10), ErrorCounts(1, characters=90)])
    assert found.rate == pytest.approx(0.02)


def test_few_texts_have_no_interval_and_say_so() -> None:
    found = quality.estimate([ErrorCounts(1, characters=10)] * (quality.FEW - 1))
    assert found.too_few
    assert (found.low, found.high) == (None, None)


@given(st.lists(counts, min_size=quality.FEW, max_size=40))
def test_an_interval_holds_its_figure_and_does_not_change(many: list[ErrorCounts]) -> None:
    first, second = quality.estimate(many), quality.estimate(many)
    assert first == second
    assert first.rate is not None
    assert first.low is not None
    assert first.high is not None
    rates = [one.rate or 0.0 for one in many]
    assert min(rates) - 1e-9 <= first.low <= first.high <= max(rates) + 1e-9


def test_more_texts_make_a_narrower_interval() -> None:
    mixed = [ErrorCounts(wrong, characters=20) for wrong in (0, 2, 4, 10)]
    few, many = quality.estimate(mixed * 5), quality.estimate(mixed * 50)
    assert few.low is not None
    assert few.high is not None
    assert many.low is not None
    assert many.high is not None
    assert many.high - many.low < (few.high - few.low) / 2


def test_the_floor_stays_until_there_is_enough_to_measure() -> None:
    assert quality.floor(texts(0.2, 0, quality.LEAST_PAIRS - 1)) == quality.DEFAULT_FLOOR


def test_the_floor_is_where_the_texts_above_are_worth_mending() -> None:
    bad, good = texts(0.55, 16, 30), texts(0.8, 2, 20)
    assert quality.floor([*bad, *good]) == 0.6


def test_many_good_texts_do_not_hide_the_bad_ones() -> None:
    assert quality.floor([*texts(0.3, 12, 20), *texts(0.9, 0, 200)]) == 0.35


def test_a_model_that_understands_nobody_has_all_its_texts_folded_away() -> None:
    assert quality.floor(texts(0.9, 19, 50)) == 1.0


def test_a_model_that_is_always_good_has_no_floor() -> None:
    assert quality.floor(texts(0.3, 1, 50)) == 0.0


def test_a_handful_of_good_texts_makes_no_floor() -> None:
    assert quality.floor([*texts(0.4, 18, 40), *texts(0.95, 0, quality.FEW - 1)]) == 1.0


@given(st.lists(points, min_size=quality.LEAST_PAIRS, max_size=60))
def test_above_the_floor_the_texts_are_good_enough(many: list[Point]) -> None:
    found = quality.floor(many)
    above = [point.counts for point in many if point.confidence >= found]
    if found < 1:
        rate = sum(above, ErrorCounts()).rate
        assert rate is not None
        assert rate <= quality.ACCEPTABLE_CER


def test_words_are_marked_where_one_in_three_is_wrong() -> None:
    words = [(0.9, True)] * 300 + [(0.42, True)] * 20 + [(0.42, False)] * 20
    assert quality.doubt(words) == 0.45
    calm = [(0.9, True)] * 300 + [(0.42, True)] * 38 + [(0.42, False)] * 2
    assert quality.doubt(calm) == 0.0


def test_a_calibration_has_every_step_and_every_text_once() -> None:
    shelves = quality.calibration([*texts(0.0, 1, 2), *texts(0.3, 1, 3), *texts(1.0, 1, 4)])
    assert [shelf.estimate.pairs for shelf in shelves] == [2, 0, 0, 3, 0, 0, 0, 0, 0, 4]
