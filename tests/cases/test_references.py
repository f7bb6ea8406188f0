"""Reference numbers survive a telephone line and a pencil."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases import references
from cases.models import ReferenceNumber
from core.database import Database
from core.errors import InvalidInput

eight_digits = st.text("0123456789", min_size=8, max_size=8)


@given(eight_digits, st.integers(0, 8), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(digits: str, place: int, shift: int) -> None:
    number = digits + references.check_digit(digits)
    wrong = str((int(number[place]) + shift) % 10)
    assert references.valid(number)
    assert not references.valid(number[:place] + wrong + number[place + 1 :])


@given(eight_digits, st.integers(0, 7))
def test_two_swapped_neighbours_are_always_found(digits: str, place: int) -> None:
    number = digits + references.check_digit(digits)
    swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
    assert references.valid(swapped) == (swapped == number)


def test_the_check_digit_is_damms() -> None:
    assert references.check_digit("572") == "4"  # the example of the thesis


@pytest.mark.parametrize(
    "typed", ["123 456 789", "123-456-789", "１２３４５６７８９", " 123456789 "]
)
def test_a_typed_number_may_have_blanks_dashes_and_full_width_digits(typed: str) -> None:
    assert references.normalise(typed) == "123456789"


@pytest.mark.parametrize(
    "number", ["", "12345678", "1234567890", "12345678x", "１２３４５６７８９"]
)
def test_anything_but_nine_digits_is_not_valid(number: str) -> None:
    assert not references.valid(number)


def test_numbers_are_read_out_in_threes() -> None:
    assert references.spoken("123456789") == "123 456 789"


def test_a_block_holds_valid_numbers_that_nobody_had(database: Database) -> None:
    with database.write() as session:
        first = references.reserve(session, 100)
        second = references.reserve(session, 100)
    assert len({*first, *second}) == 200
    assert all(references.valid(number) for number in first + second)
    with database.read() as session:
        row = session.get_one(ReferenceNumber, first[0])
        assert row.bound_at is None


def test_a_number_is_taken_by_one_report_only(database: Database) -> None:
    with database.write() as session:
        number = references.reserve(session, 1)[0]
        assert references.bind(session, number)
        assert not references.bind(session, number)


def test_a_promised_number_the_table_forgot_is_taken_all_the_same(database: Database) -> None:
    digits = "40718263"
    number = digits + references.check_digit(digits)
    with database.write() as session:
        assert references.bind(session, number)
        assert not references.bind(session, number)
        assert not references.bind(session, "123456789")  # its check digit is wrong


def test_a_block_has_a_limit(database: Database) -> None:
    with database.write() as session, pytest.raises(InvalidInput):
        references.reserve(session, 1001)
