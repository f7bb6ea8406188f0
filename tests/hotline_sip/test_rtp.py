"""Packets, keys, and whose packets count."""

from __future__ import annotations

import ipaddress
import struct

from hypothesis import given
from hypothesis import strategies as st

from hotline.sip import rtp

CALLER = "10.0.0.9"
MEDIA = (ipaddress.IPv4Network("10.9.0.0/24"),)


def packet(payload: bytes, *, first: int = 0x80, kind: int = 8, stamp: int = 160) -> bytes:
    return struct.pack("!BBHII", first, kind, 5, stamp, 77) + payload


def key(event: int, stamp: int) -> rtp.Packet:
    parsed = rtp.parse(packet(struct.pack("!BBH", event, 10, 160), kind=101, stamp=stamp))
    assert parsed is not None
    return parsed


def test_padding_and_extensions_are_taken_off() -> None:
    plain = rtp.parse(packet(b"sound"))
    padded = rtp.parse(packet(b"sound\0\0\3", first=0xA0))
    extended = rtp.parse(packet(b"\0\0\0\1extnsound", first=0x90))
    listed = rtp.parse(packet(b"srcAsound", first=0x81))
    assert {p.payload for p in (plain, padded, extended, listed) if p} == {b"sound"}


@given(st.binary(max_size=60))
def test_any_datagram_is_a_packet_or_nothing(data: bytes) -> None:
    rtp.parse(data)


def test_our_packets_are_numbered_and_timed() -> None:
    stream = rtp.Stream()
    first, second = (rtp.parse(stream.packet(8, b"x", 160)) for _ in range(2))
    assert first is not None
    assert second is not None
    assert second.sequence == first.sequence + 1 & 0xFFFF
    assert second.timestamp == first.timestamp + 160 & 0xFFFFFFFF
    assert second.ssrc == first.ssrc


def test_a_key_counts_once_however_often_it_is_repeated() -> None:
    keys = rtp.KeyFilter()
    pressed = [keys.key(key(11, stamp)) for stamp in (100, 100, 100, 900, 900, 100)]
    assert pressed == ["#", None, None, "#", None, None]


def test_events_that_are_no_keys_are_ignored() -> None:
    assert [rtp.KeyFilter().key(key(event, 1)) for event in (12, 16, 255)] == [None, None, None]


def test_only_the_signalling_address_and_allowed_networks_count() -> None:
    peer = rtp.Peer(CALLER, MEDIA)
    assert peer.offered((CALLER, 4000))
    assert peer.accepts((CALLER, 4000), 1)
    assert not peer.accepts(("10.0.0.10", 4000), 2)
    assert peer.offered(("10.9.0.5", 4000))
    assert not peer.offered(("192.0.2.1", 4000))
    assert peer.destination is None


def test_the_exact_address_wins_over_another_port() -> None:
    peer = rtp.Peer(CALLER, ())
    peer.offered((CALLER, 4000))
    assert not peer.accepts((CALLER, 5000), 1000)
    assert peer.destination == (CALLER, 4000)
    assert peer.accepts((CALLER, 5000), 1000 + rtp.TAKE_OVER_TICKS)
    assert peer.destination == (CALLER, 5000)
    assert peer.accepts((CALLER, 4000), 1001 + rtp.TAKE_OVER_TICKS)
    assert peer.destination == (CALLER, 4000)
    assert not peer.accepts((CALLER, 5000), 1002 + rtp.TAKE_OVER_TICKS)


def test_a_moved_port_is_followed_only_after_silence() -> None:
    peer = rtp.Peer(CALLER, ())
    peer.offered((CALLER, 4000))
    assert peer.accepts((CALLER, 4000), 1)
    assert not peer.accepts((CALLER, 5000), 1 + rtp.TAKE_OVER_TICKS - 1)
    assert peer.accepts((CALLER, 5000), 1 + rtp.TAKE_OVER_TICKS)


def test_a_caller_behind_a_router_is_answered_where_the_packets_come_from() -> None:
    peer = rtp.Peer(CALLER, ())
    assert not peer.offered(("192.168.1.20", 4000))
    assert peer.destination is None
    assert peer.accepts((CALLER, 33000), 1)
    assert peer.destination == (CALLER, 33000)


def test_a_stranger_is_dropped_even_while_the_caller_is_silent() -> None:
    peer = rtp.Peer(CALLER, MEDIA)
    peer.offered((CALLER, 4000))
    assert not peer.accepts(("10.0.0.10", 4000), 1)
    assert not peer.accepts(("192.0.2.1", 4000), 500)
    assert peer.destination == (CALLER, 4000)
    assert peer.foreign_packets == 2


def press(event: int, sequence: int, stamp: int, *, ended: bool = False) -> rtp.Packet:
    payload = struct.pack("!BBH", event, 0x8A if ended else 10, 160)
    return rtp.Packet(101, sequence, stamp, 77, payload)


def test_a_press_whose_first_packets_were_lost_counts() -> None:
    ends = [press(3, sequence, 500, ended=True) for sequence in (9, 10, 11)]
    keys = rtp.KeyFilter()
    assert [keys.key(packet) for packet in ends] == ["3", None, None]


def test_a_press_longer_than_a_segment_counts_once() -> None:
    keys, stamps = rtp.KeyFilter(), (100, 100, 100 + 0xFFFF, 100 + 0xFFFF, 100 + 2 * 0xFFFF)
    pressed = [keys.key(press(3, n, stamp)) for n, stamp in enumerate(stamps)]
    assert pressed == ["3", None, None, None, None]


def test_a_phone_that_moves_the_time_stamp_within_a_press_presses_once() -> None:
    keys = rtp.KeyFilter()
    packets = [press(3, n & 0xFFFF, n * 160) for n in range(65530, 65540)]
    assert [keys.key(packet) for packet in packets] == ["3"] + [None] * 9


def test_two_presses_count_twice_even_when_the_end_of_the_first_was_lost() -> None:
    keys = rtp.KeyFilter()
    assert keys.key(press(3, 10, 100)) == "3"
    assert keys.key(press(3, 20, 1700)) == "3"
    assert keys.key(press(3, 21, 1700, ended=True)) is None
    assert keys.key(press(3, 22, 3300)) == "3"


def test_an_end_that_comes_late_is_no_new_press() -> None:
    keys = rtp.KeyFilter()
    packets = [press(3, 10, 100), press(5, 13, 900), press(3, 12, 100, ended=True)]
    assert [keys.key(packet) for packet in packets] == ["3", "5", None]
    assert keys.key(press(5, 14, 900, ended=True)) is None
