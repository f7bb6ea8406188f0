"""The peer of the call benchmark: the least that answers a call and records it.

One asyncio process, no transactions, no voice detection, no fsync, frames in order of arrival. It
is what the hotline's dialogs, time stamps and safety are paid on top of. Not for use.
``python -m benchmarks.calls_bare [KEY]``: KEY, else #, ends a call.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import signal
import sys
from pathlib import Path
from typing import Any, cast

from hotline.sip import g711, rtp

Address = tuple[str, int]


class BareCall(asyncio.DatagramProtocol):
    """Receives and keeps one call's packets and sends silence."""

    def __init__(self, endpoint: BareEndpoint, invite: str, source: Address) -> None:
        self.endpoint, self.invite, self.source = endpoint, invite, source
        self.sound = bytearray()
        self.ended = False
        self.to = ""
        self.opening: asyncio.Future[Any] | None = None
        self.transport: asyncio.DatagramTransport | None = None
        self.stream = rtp.Stream()
        port = re.search(r"m=audio (\d+)", invite)
        self.remote = (source[0], int(port[1]) if port else 9)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)
        self.endpoint.answer(self, transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, addr: Address) -> None:
        packet = rtp.parse(data)
        if packet is None or self.ended:
            return
        if packet.payload_type == 8:
            self.sound += g711.decode("PCMA", packet.payload)
        elif packet.payload[:1] == self.endpoint.last_event:
            self.ended = True
            self.endpoint.end(self)

    def beat(self) -> None:
        if self.transport is None or self.ended:
            return
        silence = self.stream.packet(8, g711.SILENCE["PCMA"], g711.FRAME_SAMPLES)
        self.transport.sendto(silence, self.remote)


class BareEndpoint(asyncio.DatagramProtocol):
    """SIP by regular expressions."""

    def __init__(self, folder: Path, last_key: str) -> None:
        self.folder = folder
        self.last_event = bytes([rtp.KEYS.index(last_key)])
        self.calls: dict[str, BareCall] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        text = data.decode()
        call_id = _header(text, "Call-ID")
        if text.startswith("INVITE ") and call_id not in self.calls:
            call = self.calls[call_id] = BareCall(self, text, addr)
            loop = asyncio.get_running_loop()
            opening = loop.create_datagram_endpoint(lambda: call, local_addr=("127.0.0.1", 0))
            call.opening = asyncio.ensure_future(opening)

    def answer(self, call: BareCall, port: int) -> None:
        lines = [f"{name}: {_header(call.invite, name)}" for name in ("Via", "From", "Call-ID")]
        host, own_port = self.transport.get_extra_info("sockname")
        call.to = f"{_header(call.invite, 'To')};tag={secrets.token_hex(4)}"
        body = (
            f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
        )
        head = ["SIP/2.0 200 OK", *lines, f"To: {call.to}", "CSeq: 1 INVITE"]
        head += [f"Contact: <sip:{host}:{own_port}>", "Content-Type: application/sdp"]
        text = "\r\n".join([*head, f"Content-Length: {len(body)}", "", body])
        self.transport.sendto(text.encode(), call.source)

    def end(self, call: BareCall) -> None:
        call_id = _header(call.invite, "Call-ID")
        contact = re.search(r"Contact: <([^>]+)>", call.invite)
        host, own_port = self.transport.get_extra_info("sockname")
        lines = [
            f"BYE {contact[1] if contact else ''} SIP/2.0",
            f"Via: SIP/2.0/UDP {host}:{own_port};branch=z9hG4bK{secrets.token_hex(5)}",
            f"From: {call.to}",
            f"To: {_header(call.invite, 'From')}",
            f"Call-ID: {call_id}",
            "CSeq: 1 BYE",
            "Max-Forwards: 70",
        ]
        text = "\r\n".join([*lines, "Content-Length: 0", "", ""])
        self.transport.sendto(text.encode(), call.source)
        (self.folder / f"{secrets.token_hex(8)}.pcm").write_bytes(call.sound)
        if call.transport is not None:
            call.transport.close()
        del self.calls[call_id]


def _header(text: str, name: str) -> str:
    found = re.search(rf"^{name}: ([^\r\n]+)", text, re.MULTILINE)
    return found[1] if found else ""


async def serve(last_key: str) -> None:
    """Run until SIGTERM on XIANGYIN_SIP_PORT; takes lie in <data_dir>/takes."""
    loop, stopping = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    folder = Path(os.environ["XIANGYIN_DATA_DIR"]) / "takes"
    folder.mkdir(parents=True, exist_ok=True)
    address = ("127.0.0.1", int(os.environ["XIANGYIN_SIP_PORT"]))
    _, endpoint = await loop.create_datagram_endpoint(
        lambda: BareEndpoint(folder, last_key), local_addr=address
    )
    print("READY", flush=True)
    due = loop.time()
    while not stopping.is_set():
        due += 0.02
        await asyncio.sleep(max(0.0, due - loop.time()))
        for call in list(endpoint.calls.values()):
            call.beat()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1] if len(sys.argv) > 1 else "#"))
