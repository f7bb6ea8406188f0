"""RTP packets (RFC 3550), keys as telephone events (RFC 4733), and whose packets count."""

from __future__ import annotations

import ipaddress
import secrets
import struct
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

Address = tuple[str, int]
Network = ipaddress.IPv4Network

KEYS = "0123456789*#"
"""Telephone events 0-11; the rarely built A-D and the others mean nothing to us."""

TAKE_OVER_TICKS = 25
"""After 0.5 s without packets another port of an allowed address may take over."""

SAME_PRESS_PACKETS = 3
"""Packets of one press are this close even when two between them were lost."""

_HEADER = struct.Struct("!BBHII")


class Packet(NamedTuple):
    """One RTP packet without its padding and extensions."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse(data: bytes) -> Packet | None:
    """Read a datagram; None when it is no RTP packet."""
    if len(data) < 12 or data[0] >> 6 != 2:
        return None
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    start, end = 12 + 4 * (first & 15), len(data)
    if first & 0x10:
        if end < start + 4:
            return None
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    if first & 0x20:
        end -= data[-1]
    if start > end:
        return None
    return Packet(second & 127, sequence, timestamp, ssrc, data[start:end])


class Stream:
    """Numbers the packets we send."""

    def __init__(self) -> None:
        self._ssrc = secrets.randbits(32)
        self._sequence = secrets.randbits(16)
        self._timestamp = secrets.randbits(32)

    def packet(self, payload_type: int, payload: bytes, samples: int) -> bytes:
        """The next packet; time moves on by ``samples``."""
        header = _HEADER.pack(0x80, payload_type, self._sequence, self._timestamp, self._ssrc)
        self._sequence = self._sequence + 1 & 0xFFFF
        self.skip(samples)
        return header + payload

    def skip(self, samples: int) -> None:
        """Let time pass without a packet."""
        self._timestamp = self._timestamp + samples & 0xFFFFFFFF


class KeyFilter:
    """Reports each press once, however often its packets are repeated and however long it is."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, int]] = deque(maxlen=16)
        self._running: Packet | None = None

    def key(self, packet: Packet) -> str | None:
        """The key of an event packet that was not reported before."""
        if len(packet.payload) < 4 or (event := packet.payload[0]) >= len(KEYS):
            return None
        identity = (packet.ssrc, packet.timestamp)
        before = self._running
        known = identity in self._seen
        if not known:
            self._seen.append(identity)
            known = before is not None and _goes_on(before, packet)
        if before is None or packet.sequence - before.sequence & 0xFFFF < 0x8000:
            self._running = packet
        return None if known else KEYS[event]


def _goes_on(before: Packet, packet: Packet) -> bool:
    """Whether a packet with a new time stamp still belongs to the press of ``before``.

    A press longer than 65,535 samples comes in segments (RFC 4733, 2.5.1.3), and some phones
    move the time stamp on with each packet of one press. Two presses of a key have the end of the
    first between them, or were it lost, packets of the pause.
    """
    ended = before.payload[1] & 0x80
    passed = packet.sequence - before.sequence & 0xFFFF
    same = packet.ssrc == before.ssrc and packet.payload[0] == before.payload[0]
    return same and not ended and 0 < passed <= SAME_PRESS_PACKETS


class Peer:
    """Where a call's packets may come from and go to.

    The exact address of the session description wins. Only the address that signals and the
    allowed media networks count at all; among those another port is followed when the exact one
    is silent (a caller behind a translating router).
    """

    def __init__(self, signalling_ip: str, media_networks: Sequence[Network]) -> None:
        self._signalling_ip = signalling_ip
        self._networks = media_networks
        self._allowed: dict[str, bool] = {signalling_ip: True}
        self._exact: Address | None = None
        self._followed: Address | None = None
        self._heard_tick: int | None = None
        self.foreign_packets = 0

    def allows(self, ip: str) -> bool:
        """Whether ``ip`` may send to us and be sent to."""
        known = self._allowed.get(ip)
        if known is None:
            try:
                known = any(ipaddress.IPv4Address(ip) in network for network in self._networks)
            except ValueError:
                known = False
            if len(self._allowed) < 64:
                self._allowed[ip] = known
        return known

    def offered(self, address: Address) -> bool:
        """Take over the address of a session description; False when it is not allowed."""
        allowed = self.allows(address[0])
        self._exact = address if allowed else None
        self._followed = None
        self._heard_tick = None
        return allowed

    def accepts(self, source: Address, tick: int) -> bool:
        """Whether a packet from ``source`` belongs to the call; follows a moved port."""
        if self._heard_tick is None:  # the exact one gets its time from the first packet on
            self._heard_tick = tick if self._exact else tick - TAKE_OVER_TICKS
        if source == self._exact:
            self._followed = None
        elif source != self._followed:
            quiet = tick - self._heard_tick >= TAKE_OVER_TICKS
            if not (quiet and self.allows(source[0])):
                self.foreign_packets += 1
                return False
            self._followed = source
        self._heard_tick = tick
        return True

    @property
    def destination(self) -> Address | None:
        """Where our packets go, None as long as no allowed address is known."""
        return self._followed or self._exact
