"""Callers by SIPp: scenarios, sound as packet captures, and running them.

SIPp is somebody else's SIP, so what it accepts and sends is a judgement from outside.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hotline.sip import g711, rtp
from hotline.sip.g711 import Codec

EVENT_TYPE = 101
FRAME_S = 0.02
_KEY_PACKETS = 8

_HEADERS = """From: <sip:13900000001@[local_ip]:[local_port]>;tag=[pid]c[call_number]
{to}
Call-ID: [call_id]
CSeq: {sequence} {method}
Contact: <sip:13900000001@[local_ip]:[local_port]>
Max-Forwards: 70"""

_REQUEST = """  <send{retransmit}><![CDATA[

{method} sip:hotline@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
{headers}
{rest}
]]></send>
"""

_SDP = """Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 1 {version} IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [auto_media_port] RTP/AVP {types}
{maps}
a={direction}
"""

PROVISIONAL = '  <recv response="100" optional="true"/>\n  <recv response="180" optional="true"/>\n'

_CONFIRM = """  <send><![CDATA[

SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
"""

_MAPS = {
    8: "a=rtpmap:8 PCMA/8000",
    0: "a=rtpmap:0 PCMU/8000",
    9: "a=rtpmap:9 G722/8000",
    18: "a=rtpmap:18 G729/8000",
    111: "a=rtpmap:111 opus/48000/2",
    EVENT_TYPE: f"a=rtpmap:{EVENT_TYPE} telephone-event/8000\na=fmtp:{EVENT_TYPE} 0-15",
}


def description(types: Sequence[int], direction: str = "sendrecv", version: int = 1) -> str:
    """A body: what SIPp offers, or answers to an offer."""
    return _SDP.format(
        version=version,
        types=" ".join(map(str, types)),
        maps="\n".join(_MAPS[number] for number in types),
        direction=direction,
    )


def request(method: str, sequence: int, rest: str, *, in_dialog: bool) -> str:
    """A step that sends a request; ``rest`` is further headers and the body."""
    to = "[last_To:]" if in_dialog else "To: <sip:hotline@[remote_ip]:[remote_port]>"
    return _REQUEST.format(
        retransmit="" if method == "ACK" else ' retrans="500"',
        method=method,
        headers=_HEADERS.format(to=to, sequence=sequence, method=method),
        rest=rest,
    )


EMPTY = "Content-Length: 0\n"


def invite(types: Sequence[int] = (8, EVENT_TYPE), *, expect: int = 200) -> str:
    """Offer ``types`` and expect the final answer ``expect``."""
    parts = [request("INVITE", 1, description(types, "sendrecv", 1), in_dialog=False), PROVISIONAL]
    parts.append(f'  <recv response="{expect}" rtd="true"/>\n')
    return "".join([*parts, request("ACK", 1, EMPTY, in_dialog=True)])


def play(capture: Path) -> str:
    """Send a packet capture in real time; the scenario goes on at once."""
    return f'  <nop><action><exec play_pcap_audio="{capture}"/></action></nop>\n'


def pause(seconds: float) -> str:
    """Do nothing; the sound goes on."""
    return f'  <pause milliseconds="{round(seconds * 1000)}"/>\n'


def change(direction: str, sequence: int) -> str:
    """Offer another direction within the call, such as "sendonly" to hold it."""
    offer = description((8, EVENT_TYPE), direction, sequence)
    return (
        request("INVITE", sequence, offer, in_dialog=True)
        + PROVISIONAL
        + '  <recv response="200"/>\n'
        + request("ACK", sequence, EMPTY, in_dialog=True)
    )


def hang_up(sequence: int = 2) -> str:
    """End the call from the caller's side."""
    return request("BYE", sequence, EMPTY, in_dialog=True) + '  <recv response="200"/>\n'


def wait_for_bye(limit_s: float = 60) -> str:
    """Expect that the hotline ends the call."""
    return f'  <recv request="BYE" timeout="{round(limit_s * 1000)}"/>\n{_CONFIRM}'


def cancel(after_s: float) -> str:
    """A whole scenario body: ring, then give up."""
    return (
        request("INVITE", 1, description((8, EVENT_TYPE), "sendrecv", 1), in_dialog=False)
        + '  <recv response="100"/>\n'
        + pause(after_s)
        + request("CANCEL", 1, EMPTY, in_dialog=False).replace("[branch]", "[branch-3]")
        + '  <recv response="200"/>\n  <recv response="487"/>\n'
        + request("ACK", 1, EMPTY, in_dialog=True).replace("[branch]", "[branch-6]")
    )


@dataclass(frozen=True)
class Sound:
    """Voice in a capture, from ``at_s``."""

    at_s: float
    pcm: bytes


@dataclass(frozen=True)
class KeyPress:
    """A telephone event in a capture, at ``at_s``."""

    at_s: float
    key: str


def write_capture(
    path: Path, codec: Codec, parts: Sequence[Sound | KeyPress], total_s: float
) -> Path:
    """Write what a caller sends in ``total_s`` seconds as a capture for ``play``."""
    payload_type = 8 if codec == "PCMA" else 0
    sounds: dict[int, bytes] = {}
    keys: dict[int, tuple[int, int, int]] = {}
    for part in parts:
        first = round(part.at_s / FRAME_S)
        if isinstance(part, Sound):
            sounds.update(enumerate(g711.frames(codec, part.pcm), first))
        else:
            event = rtp.KEYS.index(part.key)
            keys.update({first + n: (event, n, first) for n in range(_KEY_PACKETS)})
    records = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
    for index in range(round(total_s / FRAME_S)):
        if index in keys:
            kind, stamp, payload = EVENT_TYPE, keys[index][2] * 160, _event(*keys[index][:2])
        else:
            kind, stamp = payload_type, index * 160
            payload = sounds.get(index, g711.SILENCE[codec])
        header = struct.pack("!BBHII", 0x80, kind, index & 0xFFFF, stamp, 0x1234ABCD)
        records.append(_record(index * FRAME_S, header + payload))
    path.write_bytes(b"".join(records))
    return path


def _event(event: int, packet: int) -> bytes:
    ended = packet >= _KEY_PACKETS - 3
    duration = min(packet + 1, _KEY_PACKETS - 2) * 160
    return struct.pack("!BBH", event, (0x80 if ended else 0) | 10, duration)


def _record(at_s: float, packet: bytes) -> bytes:
    udp = struct.pack("!HHHH", 6000, 7000, 8 + len(packet), 0) + packet
    loopback = bytes((127, 0, 0, 1))
    ip_header = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, loopback, loopback
    )
    frame = bytes(12) + b"\x08\x00" + ip_header + udp
    seconds, micros = int(at_s), round(at_s % 1 * 1_000_000)
    return struct.pack("<IIII", seconds, micros, len(frame), len(frame)) + frame


@dataclass(frozen=True)
class Outcome:
    """What SIPp reports of its calls; ``at_once``: the most it had at the same time."""

    exit_code: int
    successful: int
    failed: int
    at_once: int
    errors: str


def make_calls(
    folder: Path,
    body: str,
    target: tuple[str, int],
    *,
    calls: int = 1,
    rate: float = 10,
    timeout_s: float = 60,
    name: str = "calls",
) -> Outcome:
    """Run ``calls`` calls of a scenario at the same time; blocks until they ended."""
    process = start(folder, body, target, calls=calls, rate=rate, timeout_s=timeout_s, name=name)
    return finish(process, folder, name, timeout_s)


def start(
    folder: Path,
    body: str,
    target: tuple[str, int],
    *,
    calls: int = 1,
    rate: float = 10,
    timeout_s: float = 60,
    name: str = "calls",
) -> subprocess.Popen[bytes]:
    """Begin a scenario; ``finish`` collects it."""
    sipp = shutil.which("sipp")
    if sipp is None:
        raise FileNotFoundError("sipp is not installed")
    scenario = folder / f"{name}.xml"
    head = '<?xml version="1.0" encoding="ISO-8859-1" ?>\n'
    scenario.write_text(f'{head}<scenario name="{name}">\n{body}</scenario>\n', encoding="utf-8")
    arguments: list[str] = [f"{target[0]}:{target[1]}", "-sf", str(scenario), "-nostdin"]
    arguments += ["-i", "127.0.0.1", "-mi", "127.0.0.1"]
    arguments += ["-m", str(calls), "-l", str(calls), "-r", str(rate)]
    arguments += ["-timeout", str(int(timeout_s)), "-timeout_error"]
    arguments += ["-trace_err", "-error_file", str(folder / f"{name}.err")]
    with (folder / f"{name}.out").open("wb") as out:
        return subprocess.Popen(
            [sipp, *arguments],
            cwd=folder,
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )


def finish(process: subprocess.Popen[bytes], folder: Path, name: str, timeout_s: float) -> Outcome:
    """Wait for SIPp and read its statistics."""
    try:
        code = process.wait(timeout_s + 10)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    text = (folder / f"{name}.out").read_text(errors="replace")
    errors = folder / f"{name}.err"
    return Outcome(
        exit_code=code,
        successful=_last_count(text, "Successful call"),
        failed=_last_count(text, "Failed call"),
        at_once=max(map(int, re.findall(r"Peak was (\d+) calls", text)), default=0),
        errors=errors.read_text(errors="replace")[:2000] if errors.exists() else "",
    )


def _last_count(text: str, label: str) -> int:
    found = re.findall(rf"{label}\s*\|[^|]*\|\s*(\d+)", text)
    return int(found[-1]) if found else 0
