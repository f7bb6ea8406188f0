"""A number is one number however it is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.phone_numbers import normal
from core.sealed import Sealer, mask_number

mobiles = st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True)
# No town has the area code 0400 or 0800: 400 and 800 are national services.
landlines = st.from_regex(
    r"0(10[0-9]{8}|2[0-9]{9}|(?!400|800)[3-9][0-9]{2}[0-9]{7,8})", fullmatch=True
)
services = st.from_regex(r"[48]00[0-9]{7}", fullmatch=True)
short = st.sampled_from(["110", "120", "12345", "12389", "96110", "10086", "8123456", "81234567"])
foreign = st.from_regex(r"[1-79][0-9]{6,12}", fullmatch=True)
separators = st.sampled_from(["", " ", "-", " - ", "．", "·"])
texts = st.text("0123456789+-. ()aé#*（）１", max_size=20)


@given(mobiles, st.sampled_from(["", "0", "86", "+86", "0086", "+86 ", "0086-", "+860", "860"]))
def test_a_mobile_number_is_one_number(mobile: str, before: str) -> None:
    assert normal(before + mobile) == mobile


@given(landlines, st.sampled_from(["+86", "0086", "86", "+86 "]), st.booleans())
def test_a_landline_number_is_one_number(landline: str, before: str, keeps_zero: bool) -> None:
    rest = landline if keeps_zero else landline[1:]
    assert normal(before + rest) == normal(landline) == landline


@given(st.one_of(services, short), st.sampled_from(["", "+86", "0086"]))
def test_service_numbers_and_short_ones_lose_the_country_alone(number: str, before: str) -> None:
    assert normal(before + number) == number


@given(foreign, st.sampled_from(["+", "00"]))
def test_a_foreign_number_keeps_its_country(number: str, before: str) -> None:
    assert normal(before + number) == f"+{number}"


@given(mobiles, st.integers(0, 10), separators)
def test_spaces_and_dashes_mean_nothing(mobile: str, at: int, separator: str) -> None:
    assert normal(mobile[:at] + separator + mobile[at:]) == mobile


@given(texts)
def test_normal_twice_is_normal_once(text: str) -> None:
    assert normal(normal(text)) == normal(text)


@given(st.one_of(mobiles, landlines, services, short), st.one_of(mobiles, landlines, short))
def test_two_numbers_of_the_plan_never_become_one(first: str, second: str) -> None:
    assert (normal(first) == normal(second)) == (first == second)


@pytest.mark.parametrize(
    "text",
    ["", "601", "duty-1", "guard.house", "5391234567", "8681234", "+86", "12345678901234567890"],
)
def test_what_the_plan_does_not_decide_stays(text: str) -> None:
    assert normal(text) == text


def test_the_caller_is_found_again_and_shown_alike(sealer: Sealer) -> None:
    ways = ["13812345678", "+8613812345678", "0086 138 1234 5678", "013812345678"]
    assert len({sealer.caller_hash(way) for way in ways}) == 1
    assert {mask_number(way) for way in ways} == {"138****5678"}
    assert sealer.caller_hash("13812345679") != sealer.caller_hash("13812345678")
