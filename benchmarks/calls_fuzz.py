"""An attacker beside the calls: malformed INVITEs, foreign sound, a foreign # key.

``python -m benchmarks.calls_fuzz PORT FIRST LAST INVITES SECONDS``: signals to PORT, throws RTP at
each even port from FIRST to LAST, from another port of the callers' address and from another
address.
"""

from __future__ import annotations

import random
import socket
import struct
import sys
import time

from hotline.sip import g711, rtp

CALLERS_IP, OTHER_IP = "127.0.0.1", "127.0.0.9"
PORTS_AT_ONCE = 25
ROUND_S = 0.02

_INVITE = """INVITE sip:hotline@{host}:{port} SIP/2.0\r
Via: SIP/2.0/UDP {host}:{own_port};branch=z9hG4bK{tag}\r
From: <sip:13900000009@here>;tag={tag}\r
To: <sip:hotline@there>\r
Call-ID: {tag}\r
CSeq: 1 INVITE\r
Max-Forwards: 70\r
Contact: <sip:a@{host}:{own_port}>\r
Content-Type: application/sdp\r
Content-Length: {length}\r
\r
{body}"""
_BODY = """v=0\r
o=- 1 1 IN IP4 {host}\r
s=-\r
c=IN IP4 {host}\r
t=0 0\r
m=audio {own_port} RTP/AVP 8 101\r
a=rtpmap:101 telephone-event/8000\r
a=sendrecv\r
"""


def mutilated(message: bytes, rng: random.Random) -> bytes:
    """``message`` with bytes changed, cut out and put in."""
    data = bytearray(message)
    for _ in range(rng.randint(1, 30)):
        if len(data) < 2:
            break
        place, kind = rng.randrange(len(data)), rng.random()
        if kind < 0.4:
            data[place] = rng.randrange(256)
        elif kind < 0.7:
            del data[place : place + rng.randint(1, 40)]
        else:
            data[place:place] = rng.randbytes(rng.randint(1, 60))
    return bytes(data[:8000])


def malformed_invite(target_port: int, own: tuple[str, int], rng: random.Random) -> bytes:
    """An INVITE that is broken somewhere: in its head, in its description, or in both."""
    host, own_port = own
    body = _BODY.format(host=host, own_port=own_port)
    fields = {"host": host, "own_port": own_port, "port": target_port, "tag": f"{rng.random()}"[2:]}
    whole = _INVITE.format(length=len(body), body=body, **fields).encode()
    head, _, description = whole.partition(b"\r\n\r\n")
    only_description = head + b"\r\n\r\n" + mutilated(description, rng)
    return rng.choice([mutilated(whole, rng), only_description])


def foreign_sound(rng: random.Random) -> bytes:
    """A packet of noise under a source of its own, or no packet at all."""
    header = struct.pack("!BBHII", 0x80, 8, rng.randrange(65536), rng.getrandbits(32), 99)
    return rng.choice([header + rng.randbytes(g711.FRAME_SAMPLES), rng.randbytes(40)])


def foreign_hash(rng: random.Random) -> bytes:
    """The # key that would end a recording."""
    event = struct.pack("!BBH", rtp.KEYS.index("#"), 0x8A, 800)
    header = (0x80, 101, rng.randrange(65536), rng.getrandbits(32), rng.getrandbits(32))
    return struct.pack("!BBHII", *header) + event


def attack(port: int, media_ports: range, invites: int, seconds: float, seed: int = 1) -> None:
    """Send ``invites`` malformed INVITEs spread over ``seconds``, and RTP all the while."""
    rng = random.Random(seed)
    signalling, neighbour, stranger = (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)
    )
    for sock, address in ((signalling, OTHER_IP), (neighbour, CALLERS_IP), (stranger, OTHER_IP)):
        sock.bind((address, 0))
        sock.setblocking(False)
    began, sent, at = time.monotonic(), 0, 0
    while (passed := time.monotonic() - began) < seconds or sent < invites:
        while sent < min(invites, invites * passed / seconds):
            _throw(signalling, malformed_invite(port, signalling.getsockname(), rng), port)
            sent += 1
        for _ in range(PORTS_AT_ONCE):
            at = (at + 1) % len(media_ports)
            _throw(neighbour, foreign_sound(rng), media_ports[at])
            _throw(stranger, rng.choice([foreign_sound, foreign_hash])(rng), media_ports[at])
        time.sleep(ROUND_S)


def _throw(sock: socket.socket, data: bytes, port: int) -> None:
    try:
        sock.sendto(data, (CALLERS_IP, port))
    except OSError:
        return  # nobody listens there, or a full queue


if __name__ == "__main__":
    PORT, FIRST, LAST, INVITES = map(int, sys.argv[1:5])
    attack(PORT, range(FIRST, LAST + 1, 2), INVITES, float(sys.argv[5]))
