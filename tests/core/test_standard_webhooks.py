"""Signatures after Standard Webhooks 1.0."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.standard_webhooks import Envelope, fresh_secret, sign

NOW = datetime(2026, 6, 1, tzinfo=UTC)
AT = int(NOW.timestamp())
SECRET, OTHER = fresh_secret(), fresh_secret()


def envelope(signatures: str, timestamp: str = str(AT)) -> Envelope:
    found = Envelope.of(
        {"webhook-id": "m1", "webhook-timestamp": timestamp, "webhook-signature": signatures}
    )
    assert found is not None
    return found


def test_a_signature_is_what_the_specification_says() -> None:
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    digest = hmac.new(key, f"m1.{AT}.".encode() + b"{}", hashlib.sha256).digest()
    assert sign(SECRET, "m1", AT, b"{}") == "v1," + base64.b64encode(digest).decode()
    assert len(key) == 32


def test_one_right_signature_among_several_is_enough() -> None:
    right = sign(SECRET, "m1", AT, b"{}")
    assert envelope(f"v1a,zzz v1,AAAA {right}").fits(b"{}", [OTHER, SECRET])


@given(st.binary(max_size=50), st.text(max_size=60).filter(bool))
def test_nothing_else_fits(body: bytes, signatures: str) -> None:
    right = sign(SECRET, "m1", AT, b"{}")
    assert not envelope(signatures).fits(body, [SECRET])
    assert envelope(right).fits(body, [SECRET]) == (body == b"{}")
    assert not envelope(right).fits(b"{}", [OTHER])
    assert not envelope(right, str(AT + 1)).fits(b"{}", [SECRET])


@pytest.mark.parametrize(
    ("seconds", "fresh"), [(0, True), (300, True), (301, False), (-301, False)]
)
def test_a_time_stamp_is_good_for_five_minutes(seconds: int, fresh: bool) -> None:
    assert envelope("v1,x").is_fresh(NOW + timedelta(seconds=seconds)) is fresh


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"webhook-id": "", "webhook-timestamp": "1", "webhook-signature": "v1,x"},
        {"webhook-id": "x" * 201, "webhook-timestamp": "1", "webhook-signature": "v1,x"},
        {"webhook-id": "x", "webhook-timestamp": "soon", "webhook-signature": "v1,x"},
        {"webhook-id": "x", "webhook-timestamp": "9" * 30, "webhook-signature": "v1,x"},
        {"webhook-id": "x", "webhook-timestamp": "1", "webhook-signature": ""},
    ],
)
def test_headers_that_make_no_sense_are_no_envelope(headers: dict[str, str]) -> None:
    assert Envelope.of(headers) is None
