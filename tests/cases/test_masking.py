"""Numbers of people do not show in what is found, however they are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.masking import hide_numbers


@pytest.mark.parametrize(
    "written",
    [
        "13812345678",
        "138 1234 5678",
        "138-1234-5678",
        "１３８１２３４５６７８",
        "幺三八一二三四五六七八",
        "幺 三 八 一二三四 五六七八",
        "1三8幺2三4伍67八",
        "110101199003078 56x",
    ],
)
def test_a_long_number_is_starred(written: str) -> None:
    hidden = hide_numbers(f"我的电话是{written}，请回电")
    assert hidden.count("*") >= 8
    assert written not in hidden
    assert hidden.startswith("我的电话是")
    assert hidden.endswith("，请回电")


@pytest.mark.parametrize(
    "text", ["三点二十分", "欠我五千元", "2026年6月1日", "三组十八号", "打110"]
)
def test_sums_dates_and_short_numbers_stay(text: str) -> None:
    assert hide_numbers(text) == text


@given(st.text("0123456789零一二三幺 -我的", max_size=40))
def test_the_length_never_changes(text: str) -> None:
    assert len(hide_numbers(text)) == len(text)
