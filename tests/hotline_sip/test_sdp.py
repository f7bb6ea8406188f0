"""Descriptions of real phones are understood; nonsense is refused and never crashes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotline.sip import sdp

PLAIN = (
    "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
)


def test_the_callers_first_choice_is_taken() -> None:
    offer = sdp.parse(PLAIN)
    assert (offer.codec, offer.payload_type, offer.event_type) == ("PCMA", 8, 101)
    assert (offer.address, offer.port) == ("10.0.0.9", 40000)
    mu_first = sdp.parse(PLAIN.replace("8 0 101", "0 8 101"))
    assert mu_first.codec == "PCMU"


def test_static_types_need_no_rtpmap() -> None:
    offer = sdp.parse("c=IN IP4 10.0.0.9\nm=audio 40000 RTP/AVP 0\n")
    assert (offer.codec, offer.event_type) == ("PCMU", None)


def test_a_dynamic_number_for_our_codec_is_understood() -> None:
    offer = sdp.parse("c=IN IP4 1.2.3.4\nm=audio 40000 RTP/AVP 97\na=rtpmap:97 pcma/8000/1\n")
    assert (offer.codec, offer.payload_type) == ("PCMA", 97)


def test_the_streams_own_address_and_direction_win() -> None:
    offer = sdp.parse(PLAIN + "c=IN IP4 10.0.0.77\r\na=sendonly\r\n")
    assert offer.address == "10.0.0.77"
    assert offer.held


@pytest.mark.parametrize("change", [("a=sendrecv", "a=inactive"), ("10.0.0.9", "0.0.0.0")])
def test_both_ways_to_hold_are_seen(change: tuple[str, str]) -> None:
    assert sdp.parse(PLAIN.replace(*change)).held


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace("8 0 101", "3 18"),
        PLAIN.replace("RTP/AVP", "RTP/SAVP"),
        PLAIN.replace("m=audio 40000", "m=audio 0"),
        PLAIN.replace("m=audio", "m=video"),
    ],
)
def test_nothing_we_speak_is_told_apart_from_nonsense(text: str) -> None:
    with pytest.raises(sdp.NoCodec):
        sdp.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v=0",
        PLAIN.replace("10.0.0.9", "phone.example"),
        PLAIN.replace("10.0.0.9", "239.1.1.1"),
        PLAIN.replace("40000", "99"),
        PLAIN.replace("40000", "70000"),
        PLAIN.replace("40000", "²"),
        PLAIN.replace("40000", "x"),
        PLAIN.replace("IN IP4", "IN IP6"),
    ],
)
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(sdp.BadSdp):
        sdp.parse(text)


@given(st.text(max_size=300))
def test_any_text_is_either_an_offer_or_refused(text: str) -> None:
    for attempt in (text, PLAIN + text, PLAIN[:120] + text + PLAIN[120:]):
        try:
            sdp.parse(attempt)
        except sdp.BadSdp:
            continue


def test_the_answer_mirrors_the_offer_and_refuses_other_streams() -> None:
    offer = sdp.parse(PLAIN.replace("sendrecv", "sendonly") + "m=video 5000 RTP/AVP 99\r\n")
    text = sdp.answer(offer, address="10.0.0.1", port=20000, session=7, version=2)
    assert "m=audio 20000 RTP/AVP 8 101\r\n" in text
    assert "a=recvonly\r\n" in text
    assert "m=video 0 RTP/AVP 99\r\n" in text
    assert "o=- 7 2 IN IP4 10.0.0.1\r\n" in text
    assert sdp.parse(text).port == 20000


def test_what_we_propose_can_be_read_again() -> None:
    ours = sdp.parse(sdp.offer(address="10.0.0.1", port=20000, session=5, version=2))
    assert (ours.address, ours.port, ours.codec, ours.event_type) == (
        "10.0.0.1",
        20000,
        "PCMA",
        101,
    )
    assert ours.direction == "sendrecv"
    assert ours.media == (("audio", "RTP/AVP", "8 0 101"),)


def test_what_we_propose_is_told_with_the_address_on_the_way() -> None:
    text = sdp.offer(address="10.0.0.1", port=20000, session=5, version=2)
    told = sdp.at(text, "10.7.0.1")
    assert told == sdp.offer(address="10.7.0.1", port=20000, session=5, version=2)


def test_g722_is_taken_only_where_nothing_else_is_offered() -> None:
    offer = sdp.parse("c=IN IP4 10.0.0.9\nm=audio 40000 RTP/AVP 9 101\na=rtpmap:9 G722/8000\n")
    assert (offer.codec, offer.payload_type) == ("G722", 9)
    text = sdp.answer(offer, address="10.0.0.1", port=20000, session=5, version=1)
    assert "m=audio 20000 RTP/AVP 9\r\na=rtpmap:9 G722/8000\r\n" in text
    both = sdp.parse("c=IN IP4 10.0.0.9\nm=audio 40000 RTP/AVP 9 0\n")
    assert (both.codec, both.payload_type) == ("PCMU", 0)
