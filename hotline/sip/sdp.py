"""Reading a caller's session description and writing ours (RFC 4566, RFC 3264); IPv4 only."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, Unpack

from hotline.sip.codec import STATIC_TYPES, Codec

Spoken = Codec | Literal["G722"]
Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
_DIRECTIONS: dict[str, Direction] = {
    "sendrecv": "sendrecv",
    "sendonly": "sendonly",
    "recvonly": "recvonly",
    "inactive": "inactive",
}
_MIRROR: dict[Direction, Direction] = {"sendonly": "recvonly", "recvonly": "sendonly"}
NOWHERE = "0.0.0.0"
G722_TYPE = 9
EVENT_TYPE = 101
"""Our payload type for telephone events, where we may choose."""
SEND_SILENCE = "a=silenceSupp:off - - - -"
"""Please do not leave out silence (RFC 3108, 5.6.3.2); who does not know it skips the line."""

_OUR_ADDRESS = re.compile(r"^((?:o=.* |c=)IN IP4 )[0-9.]+", re.MULTILINE)


class BadSdp(ValueError):
    """The description cannot be read or used."""


class NoCodec(BadSdp):
    """The description is fine but offers no codec of ours: PCMA, PCMU, or at last G.722."""


@dataclass(frozen=True)
class Offer:
    """What the other side proposed for its first plain-RTP audio stream.

    ``media`` lists every m= line as (kind, transport, formats), in order, for the answer.
    """

    address: str
    port: int
    payload_type: int
    codec: Spoken
    event_type: int | None
    direction: Direction
    media: tuple[tuple[str, str, str], ...]
    chosen: int

    @classmethod
    def from_message(cls, fields: dict[str, Any]) -> Offer:
        """An offer that came over the line between our processes as JSON."""
        media = tuple((str(kind), str(way), str(formats)) for kind, way, formats in fields["media"])
        return cls(**{**fields, "media": media})

    @property
    def held(self) -> bool:
        """The caller put us on hold: nothing we send is wanted."""
        return self.direction in ("sendonly", "inactive") or self.address == NOWHERE


class Ours(TypedDict):
    """Our side of a description; ``version`` grows with each one sent in a session."""

    address: str
    port: int
    session: int
    version: int


@dataclass
class _Section:
    kind: str
    port: int
    transport: str
    formats: str
    address: str | None = None
    direction: Direction | None = None
    names: dict[int, str] | None = None


def parse(text: str) -> Offer:
    """Read an offer. Raises BadSdp, or NoCodec when no codec of ours is in it."""
    session_address, session_direction, sections = _split(text)
    if not sections:
        raise BadSdp("no media")
    for index, section in enumerate(sections):
        if section.kind == "audio" and section.transport in ("RTP/AVP", "RTP/AVPF"):
            if section.port == 0:
                continue
            address = section.address or session_address
            _check_address(address, section.port)
            payload_type, codec, event_type = _codecs(section)
            return Offer(
                address=address,
                port=section.port,
                payload_type=payload_type,
                codec=codec,
                event_type=event_type,
                direction=section.direction or session_direction,
                media=tuple((s.kind, s.transport, s.formats) for s in sections),
                chosen=index,
            )
    raise NoCodec("no plain RTP audio")


def _split(text: str) -> tuple[str, Direction, list[_Section]]:
    address, direction = "", _DIRECTIONS["sendrecv"]
    sections: list[_Section] = []
    for line in text.replace("\r", "").split("\n"):
        kind, _, value = line.strip().partition("=")
        if kind == "m":
            sections.append(_section(value))
        elif kind == "c" and value.startswith("IN IP4 "):
            found = value[7:].split("/")[0].strip()
            if sections:
                sections[-1].address = found
            else:
                address = found
        elif kind == "a" and value in _DIRECTIONS:
            if sections:
                sections[-1].direction = _DIRECTIONS[value]
            else:
                direction = _DIRECTIONS[value]
        elif kind == "a" and value.startswith("rtpmap:") and sections:
            number, _, name = value[7:].partition(" ")
            if number.isascii() and number.isdigit() and len(number) <= 3:
                names = sections[-1].names = sections[-1].names or {}
                names[int(number)] = name.strip().lower()
    return address, direction, sections


def _section(value: str) -> _Section:
    parts = value.split()
    if len(parts) < 4 or not parts[1].split("/")[0].isdecimal() or not value.isascii():
        raise BadSdp("unreadable m= line")
    return _Section(parts[0], int(parts[1].split("/")[0]), parts[2], " ".join(parts[3:]))


def _check_address(address: str, port: int) -> None:
    try:
        found = ipaddress.IPv4Address(address)
    except ValueError as error:
        raise BadSdp("no IPv4 media address") from error
    if found.is_multicast or address == "255.255.255.255":
        raise BadSdp("media address is not one machine's")
    if address != NOWHERE and not 1024 <= port <= 65535:
        raise BadSdp("media port out of range")


def _codecs(section: _Section) -> tuple[int, Spoken, int | None]:
    names = {number: f"{codec.lower()}/8000" for number, codec in STATIC_TYPES.items()}
    names[G722_TYPE] = "g722/8000"
    names.update(section.names or {})
    offered = [int(part) for part in section.formats.split() if part.isdecimal() and len(part) < 4]
    events = next((n for n in offered if names.get(n) == "telephone-event/8000"), None)
    for number in offered:
        name = names.get(number, "").removesuffix("/1")
        if name == "pcma/8000":
            return number, "PCMA", events
        if name == "pcmu/8000":
            return number, "PCMU", events
    for number in offered:
        if names.get(number, "").removesuffix("/1") == "g722/8000":
            return number, "G722", events
    raise NoCodec("neither PCMA nor PCMU nor G722")


def answer(offer: Offer, **ours: Unpack[Ours]) -> str:
    """Our answer to ``offer``: its codec, its key events, every other stream refused."""
    lines = _head(ours)
    for index, (kind, transport, formats) in enumerate(offer.media):
        if index == offer.chosen:
            lines += _audio(offer, transport, ours["port"])
        else:
            lines.append(f"m={kind} 0 {transport} {formats}")
    return "\r\n".join([*lines, ""])


def offer(**ours: Unpack[Ours]) -> str:
    """What we propose when it is on us to begin: both laws and telephone events."""
    types = [*STATIC_TYPES, EVENT_TYPE]
    lines = _head(ours)
    lines.append(f"m=audio {ours['port']} RTP/AVP {' '.join(map(str, types))}")
    lines += [f"a=rtpmap:{number} {codec}/8000" for number, codec in STATIC_TYPES.items()]
    lines += _events(EVENT_TYPE)
    return "\r\n".join([*lines, "a=ptime:20", SEND_SILENCE, "a=sendrecv", ""])


def at(description: str, address: str) -> str:
    """A description of ours for somebody who reaches us at ``address``."""
    return _OUR_ADDRESS.sub(rf"\g<1>{address}", description)


def _head(ours: Ours) -> list[str]:
    address = ours["address"]
    origin = f"o=- {ours['session']} {ours['version']} IN IP4 {address}"
    return ["v=0", origin, "s=-", f"c=IN IP4 {address}", "t=0 0"]


def _events(number: int) -> list[str]:
    return [f"a=rtpmap:{number} telephone-event/8000", f"a=fmtp:{number} 0-15"]


def _audio(offer: Offer, transport: str, port: int) -> Iterable[str]:
    events = offer.event_type
    types = [offer.payload_type] + ([] if events is None else [events])
    yield f"m=audio {port} {transport} {' '.join(map(str, types))}"
    yield f"a=rtpmap:{offer.payload_type} {offer.codec}/8000"
    if events is not None:
        yield from _events(events)
    yield "a=ptime:20"
    yield SEND_SILENCE
    yield f"a={_MIRROR.get(offer.direction, offer.direction)}"
