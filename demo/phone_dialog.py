"""The demonstration telephone's SIP: one dialog, written by hand, over UDP."""

from __future__ import annotations

import asyncio
import re
import secrets

from demo.phone_sound import EVENT_TYPE, Datagrams
from hotline.sip.g711 import Codec

RETRANSMIT_S = 0.5


class Dialog:
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
        """Bind a UDP port."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: Datagrams(self.incoming), local_addr=(self.host, 0)
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


def offer(host: str, port: int, codec: Codec, payload_type: int) -> str:
    """Our session description."""
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
