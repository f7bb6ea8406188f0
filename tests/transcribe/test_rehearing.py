"""What hearing a sound again is worth: an estimate to rank by."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from transcribe import rehearing
from transcribe.rehearing import Subject

confidences = st.one_of(st.none(), st.floats(0.0, 1.0))
subjects = st.builds(
    Subject,
    confidence=confidences,
    duration_ms=st.integers(1, 7_200_000),
    is_open=st.booleans(),
    is_corrected=st.booleans(),
    by_starter=st.booleans(),
    to_starter=st.booleans(),
)
PLAIN = Subject(0.5, 10_000, True, False, False, False)


@given(subjects)
def test_no_sound_gains_more_characters_than_are_said_in_it(subject: Subject) -> None:
    most = rehearing.CHARACTERS_PER_S * subject.duration_ms / 1000
    assert 0.0 <= rehearing.expected_gain(subject) <= most


@given(subjects, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_the_less_certain_gains_no_less(subject: Subject, one: float, other: float) -> None:
    sure, unsure = (
        replace(subject, confidence=value) for value in (max(one, other), min(one, other))
    )
    assert rehearing.expected_gain(unsure) >= rehearing.expected_gain(sure)


@given(subjects, subjects)
def test_the_open_are_heard_before_the_closed(one: Subject, other: Subject) -> None:
    assert rehearing.rank(replace(one, is_open=True)) < rehearing.rank(
        replace(other, is_open=False)
    )


@given(subjects)
def test_what_a_person_wrote_and_what_is_closed_gain_less(subject: Subject) -> None:
    plain = replace(subject, is_open=True, is_corrected=False)
    for less in (replace(plain, is_corrected=True), replace(plain, is_open=False)):
        assert rehearing.expected_gain(less) <= rehearing.expected_gain(plain)


def test_what_the_starter_heard_is_nearly_all_wrong_however_sure_it_was() -> None:
    by_starter = replace(PLAIN, by_starter=True, confidence=1.0)
    assert rehearing.expected_gain(by_starter) == 4.0 * 10 * 0.95


def test_the_starter_makes_nothing_better_that_a_real_model_heard() -> None:
    assert not rehearing.is_worth_it(replace(PLAIN, to_starter=True))
    assert rehearing.is_worth_it(replace(PLAIN, to_starter=True, by_starter=True))
    assert rehearing.is_worth_it(replace(PLAIN, to_starter=True, confidence=None))


def test_a_sound_of_which_all_is_certain_is_not_heard_again() -> None:
    assert not rehearing.is_worth_it(replace(PLAIN, confidence=1.0))
