"""Keys as SIP INFO, as gateways and telephones write them."""

from __future__ import annotations

import pytest

from hotline.sip.info_keys import key_of


@pytest.mark.parametrize("key", "0123456789*#")
@pytest.mark.parametrize(
    "body", ["Signal={}\r\nDuration=160\r\n", "Signal= {} \nDuration= 160", "signal = {}", "{}\r\n"]
)
def test_each_key_is_read_in_each_spelling(key: str, body: str) -> None:
    assert key_of(body.format(key)) == key


@pytest.mark.parametrize(("event", "key"), [("10", "*"), ("11", "#")])
@pytest.mark.parametrize("body", ["Signal={}\r\nDuration=160\r\n", "Duration=5\r\nSignal={}", "{}"])
def test_star_and_hash_come_as_numbers_of_events_as_well(event: str, key: str, body: str) -> None:
    assert key_of(body.format(event)) == key


def test_how_long_it_was_pressed_is_no_key() -> None:
    assert key_of("Duration=250\r\nSignal=3\r\n") == "3"
    assert key_of("Signal=3\r\nDuration=1\r\n") == "3"
    assert key_of("Duration=1\r\n") is None


@pytest.mark.parametrize(
    "body",
    ["", "None", "Signal=", "Signal=A", "D", "Signal=12", "16", "Signal=111", "Signal=5 6",
     "Signal=\r\n5", "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nt=0 0\r\n"],
)  # fmt: skip
def test_whatever_else_comes_is_no_key(body: str) -> None:
    assert key_of(body) is None
