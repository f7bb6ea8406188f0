"""A telephone for demonstrations, tests and benchmarks: calls the hotline by plain SIP over UDP.

It is written by hand, apart from the hotline's own stack, so that it is a foreign caller: it
offers PCMA (or PCMU) and telephone events, speaks and presses keys in real time and keeps what
it hears.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import struct
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from hotline.sip import g711, rtp
from hotline.sip.g711 import Codec

FRAME_S = 0.02
EVENT_TYPE = 101
KEY_PACKETS, KEY_END_PACKETS = 5, 3
RETRANSMIT_S = 0.5
LOUD = 600
"""Samples above this are something to listen to (of 32767)."""


@dataclass(frozen=True)
class Wait:
    """Stay silent for ``seconds``."""

    seconds: float


@dataclass(frozen=True)
class WaitQuiet:
    """Listen until the other side has been silent for ``seconds``, at most ``limit_s``."""

    seconds: float = 0.8
    limit_s: float = 60.0


@dataclass(frozen=True)
class Press:
    """Press one key (0-9, * or #)."""

    key: str


@dataclass(frozen=True)
class Say:
    """Speak the call's sound from ``start_s`` to ``end_s`` (None: to its end)."""

    start_s: float = 0.0
    end_s: float | None = None


@dataclass(frozen=True)
class Vanish:
    """Stop sending without a word, as a phone whose battery died."""


Step = Wait | WaitQuiet | Press | Say | Vanish


@dataclass
class CallResult:
    """How a call went. ``heard`` is signed 16-bit PCM at 8 kHz, placed by arrival."""

    status: int = 0
    reason: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    heard: bytes = b""
    ended_by: str = ""
    """"us", "them" or "" when the call was never answered."""
    talked_s: float = 0.0


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, receive: asyncio.Queue[bytes]) -> None:
        self._queue = receive

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._queue.put_nowait(data)


class _Sound:
    """Our side of the sound, sent in real time."""

    def __init__(self, codec: Codec, payload_type: int) -> None:
        self.codec = codec
        self.heard = bytearray()
        self.quiet_s = 0.0
        self.muted = False
        self._type = payload_type
        self._stream = rtp.Stream()
        self._frames: deque[bytes] = deque()
        self._key: tuple[int, int] | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._target: tuple[str, int] = ("", 0)

    async def open(self, host: str) -> int:
        loop = asyncio.get_running_loop()
        incoming: asyncio.Queue[bytes] = asyncio.Queue()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(incoming), local_addr=(host, 0)
        )
        self._incoming = incoming
        port: int = self._transport.get_extra_info("sockname")[1]
        return port

    def say(self, pcm: bytes) -> float:
        frames = g711.frames(self.codec, pcm)
        self._frames.extend(frames)
        return len(frames) * FRAME_S

    def press(self, key: str) -> float:
        self._key = (rtp.KEYS.index(key), 0)
        return (KEY_PACKETS + KEY_END_PACKETS) * FRAME_S + 0.06

    async def run(self, target: tuple[str, int]) -> None:
        self._target, due = target, time.monotonic()
        while True:
            due += FRAME_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self._hear()
            if not self.muted:
                self._send()

    def _hear(self) -> None:
        level = 0
        while not self._incoming.empty():
            packet = rtp.parse(self._incoming.get_nowait())
            if packet is not None and packet.payload_type == self._type:
                pcm = g711.decode(self.codec, packet.payload)
                self.heard += pcm
                level = max(level, max(map(abs, memoryview(pcm).cast("h")), default=0))
        self.quiet_s = 0.0 if level > LOUD else self.quiet_s + FRAME_S

    def _send(self) -> None:
        if self._transport is None:
            return
        if self._key is not None:
            self._send_key(self._transport, *self._key)
            return
        frame = self._frames.popleft() if self._frames else g711.SILENCE[self.codec]
        packet = self._stream.packet(self._type, frame, g711.FRAME_SAMPLES)
        self._transport.sendto(packet, self._target)

    def _send_key(self, transport: asyncio.DatagramTransport, event: int, sent: int) -> None:
        ended = sent >= KEY_PACKETS
        duration = min(sent + 1, KEY_PACKETS) * g711.FRAME_SAMPLES
        payload = struct.pack("!BBH", event, (0x80 if ended else 0) | 10, duration)
        transport.sendto(self._stream.packet(EVENT_TYPE, payload, 0), self._target)
        if sent + 1 < KEY_PACKETS + KEY_END_PACKETS:
            self._key = (event, sent + 1)
        else:
            self._key = None
            self._stream.skip((KEY_PACKETS + KEY_END_PACKETS) * g711.FRAME_SAMPLES)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class _Dialog:
    """One SIP dialog from our side: writes requests, understands answers."""

    def __init__(self, host: str, target: tuple[str, int], caller: str, called: str) -> None:
        self.host, self.target = host, target
        self.call_id, self.tag = secrets.token_hex(8), secrets.token_hex(4)
        self.local = f"<sip:{caller}@{host}>;tag={self.tag}"
        self.remote = f"<sip:{called}@{target[0]}:{target[1]}>"
        self.uri = f"sip:{called}@{target[0]}:{target[1]}"
        self.caller = caller
        self.sequence = 1
        self.incoming: asyncio.Queue[bytes] = asyncio.Queue()

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self.incoming), local_addr=(self.host, 0)
        )
        self._port: int = self._transport.get_extra_info("sockname")[1]

    def request(self, method: str, body: str = "") -> None:
        """Send a request (again, when called twice for the same ``sequence``)."""
        branch = f"z9hG4bK{self.call_id}{self.sequence}{method if method == 'ACK' else ''}"
        lines = [
            f"{method} {self.uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.host}:{self._port};branch={branch};rport",
            f"From: {self.local}",
            f"To: {self.remote}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {self.sequence} {method}",
            f"Contact: <sip:{self.caller}@{self.host}:{self._port}>",
            "Max-Forwards: 70",
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        self._send("\r\n".join([*lines, "", body]))

    def confirm(self, request: str) -> None:
        """Answer a request of the other side with 200."""
        kept = [
            line
            for line in request.split("\r\n")
            if line.lower().startswith(("via:", "from:", "to:", "call-id:", "cseq:"))
        ]
        self._send("\r\n".join(["SIP/2.0 200 OK", *kept, "Content-Length: 0", "", ""]))

    async def final(self, method: str, body: str = "") -> str:
        """Send a request until its final answer; "" when nobody answers within 8 s."""
        for _ in range(16):
            self.request(method, body)
            try:
                async with asyncio.timeout(RETRANSMIT_S):
                    while not _is_final(text := (await self.incoming.get()).decode(), method):
                        pass
                    return text
            except TimeoutError:
                continue
        return ""

    def _send(self, text: str) -> None:
        self._transport.sendto(text.encode(), self.target)

    def close(self) -> None:
        self._transport.close()


def _is_final(text: str, method: str) -> bool:
    return bool(re.match(r"SIP/2\.0 [2-6]", text) and re.search(rf"\nCSeq: \d+ {method}", text))


def _offer(host: str, port: int, codec: Codec, payload_type: int) -> str:
    return "\r\n".join(
        [
            "v=0",
            f"o=- 1 1 IN IP4 {host}",
            "s=-",
            f"c=IN IP4 {host}",
            "t=0 0",
            f"m=audio {port} RTP/AVP {payload_type} {EVENT_TYPE}",
            f"a=rtpmap:{payload_type} {codec}/8000",
            f"a=rtpmap:{EVENT_TYPE} telephone-event/8000",
            f"a=fmtp:{EVENT_TYPE} 0-15",
            "a=sendrecv",
            "",
        ]
    )


async def place_call(
    target: tuple[str, int],
    pcm8k: bytes,
    script: Sequence[Step],
    *,
    caller: str = "13900000001",
    called: str = "hotline",
    host: str = "127.0.0.1",
    codec: Codec = "PCMA",
    hang_up: bool = True,
) -> CallResult:
    """Call ``target``, follow ``script``, then hang up (or wait for the other side to).

    ``pcm8k`` is signed 16-bit little-endian mono at 8 kHz. Returns when the call is over; a call
    that is refused has a ``status`` of 300 and more, one that nobody answers has 0.
    """
    dialog, result = _Dialog(host, target, caller, called), CallResult()
    payload_type = 8 if codec == "PCMA" else 0
    sound = _Sound(codec, payload_type)
    port = await sound.open(host)
    await dialog.open()
    try:
        answer = await dialog.final("INVITE", _offer(host, port, codec, payload_type))
        _note_answer(result, dialog, answer)
        if result.status == 200:
            await _talk(dialog, sound, answer, pcm8k, script, result, hang_up)
    finally:
        sound.close()
        dialog.close()
    return result


def _note_answer(result: CallResult, dialog: _Dialog, answer: str) -> None:
    if not answer:
        return
    head = answer.split("\r\n\r\n")[0].split("\r\n")
    result.status, result.reason = int(head[0].split()[1]), head[0].split(" ", 2)[2]
    for line in head[1:]:
        name, _, value = line.partition(":")
        result.headers.setdefault(name.lower(), value.strip())
    dialog.remote = result.headers.get("to", dialog.remote)
    contact = re.search(r"<([^>]+)>", result.headers.get("contact", ""))
    if contact:
        dialog.uri = contact[1]
    dialog.request("ACK")


async def _talk(
    dialog: _Dialog,
    sound: _Sound,
    answer: str,
    pcm8k: bytes,
    script: Sequence[Step],
    result: CallResult,
    hang_up: bool,
) -> None:
    address = re.search(r"c=IN IP4 (\S+)", answer)
    port = re.search(r"m=audio (\d+)", answer)
    if address is None or port is None:
        raise ValueError("the answer names no place for sound")
    began = time.monotonic()
    speaking = asyncio.create_task(sound.run((address[1], int(port[1]))))
    script_task = asyncio.create_task(_follow(script, sound, pcm8k))
    over = asyncio.create_task(_wait_for_bye(dialog))
    try:
        waiting = {script_task, over} if hang_up else {over}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if over.done():
            result.ended_by = "them"
        else:
            result.ended_by = "us"
            over.cancel()
            if not sound.muted:
                dialog.sequence += 1
                await dialog.final("BYE")
    finally:
        for task in (speaking, script_task, over):
            task.cancel()
        await asyncio.gather(speaking, script_task, over, return_exceptions=True)
        result.heard, result.talked_s = bytes(sound.heard), time.monotonic() - began


async def _follow(script: Sequence[Step], sound: _Sound, pcm8k: bytes) -> None:
    for step in script:
        if isinstance(step, Wait):
            await asyncio.sleep(step.seconds)
        elif isinstance(step, Press):
            await asyncio.sleep(sound.press(step.key))
        elif isinstance(step, Say):
            end = None if step.end_s is None else int(step.end_s * 8000) * 2
            await asyncio.sleep(sound.say(pcm8k[int(step.start_s * 8000) * 2 : end]))
        elif isinstance(step, WaitQuiet):
            sound.quiet_s, until = 0.0, time.monotonic() + step.limit_s
            while sound.quiet_s < step.seconds and time.monotonic() < until:
                await asyncio.sleep(FRAME_S)
        else:
            sound.muted = True


async def _wait_for_bye(dialog: _Dialog) -> None:
    while True:
        text = (await dialog.incoming.get()).decode()
        if text.startswith("BYE "):
            dialog.confirm(text)
            return
        if re.match(r"SIP/2\.0 200", text) and re.search(r"\nCSeq: \d+ INVITE", text):
            dialog.request("ACK")  # our first one was lost
