"""A caller of bare packets: says exactly what a test wants, however wrong."""

from __future__ import annotations

import re
import secrets
import socket
import time

OFFER = (
    "v=0\r\no=- 1 {version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP {types}\r\na=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
)


def offer(
    *,
    version: int = 1,
    address: str = "127.0.0.1",
    port: int = 39990,
    types: str = "8 101",
    direction: str = "sendrecv",
) -> str:
    return OFFER.format(
        version=version, address=address, port=port, types=types, direction=direction
    )


class RawCaller:
    """One UDP socket and one dialog."""

    def __init__(self, target: tuple[str, int], host: str = "127.0.0.1") -> None:
        self.target = target
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.host, self.port = self.socket.getsockname()
        self.call_id = secrets.token_hex(6)
        self.our_tag, self.their_tag = "us", ""

    def message(
        self,
        method: str,
        sequence: int,
        body: str = "",
        *,
        to_tag: str | None = None,
        from_tag: str | None = None,
        contact: bool = True,
        branch: str | None = None,
        content_type: str = "application/sdp",
        extra: str = "",
        sender: str = "sip:13900000001@here",
    ) -> bytes:
        to_tag = self.their_tag if to_tag is None else to_tag
        lines = [
            f"{method} sip:hotline@127.0.0.1:{self.target[1]} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.host}:{self.port};branch={branch or self.branch()}",
            f"From: <{sender}>;tag={from_tag or self.our_tag}",
            f"To: <sip:hotline@there>{';tag=' + to_tag if to_tag else ''}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {sequence} {method}",
            "Max-Forwards: 70",
        ]
        lines += [f"Contact: <sip:a@{self.host}:{self.port}>"] if contact else []
        lines += [f"Content-Type: {content_type}"] if body else []
        lines += [extra] if extra else []
        return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body]).encode()

    @staticmethod
    def branch() -> str:
        return "z9hG4bK" + secrets.token_hex(5)

    def send(self, message: bytes) -> None:
        self.socket.sendto(message, self.target)

    def hear(self, wanted: str, timeout_s: float = 5.0) -> str:
        """The first message that starts with ``wanted``; "" when none comes."""
        until = time.monotonic() + timeout_s
        while (left := until - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                text = self.socket.recv(9000).decode("utf-8", "replace")
            except TimeoutError:
                break
            if text.startswith(wanted):
                return text
        return ""

    def status(self, message: bytes, timeout_s: float = 5.0) -> int:
        """Send a request; its final status, 0 when none comes."""
        self.send(message)
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            text = self.hear("SIP/2.0 ", until - time.monotonic())
            code = int(text.split()[1]) if text else 0
            if code >= 200:
                self.last = text
                return code
        return 0

    def call(self, body: str | None = None) -> int:
        """INVITE and ACK; the final status."""
        invite = self.message("INVITE", 1, offer() if body is None else body)
        code = self.status(invite)
        tag = re.search(r"\nTo:[^\r\n]*;tag=([^;\r\n]+)", self.last if code else "")
        if code == 200 and tag:
            self.their_tag = tag[1]
            self.send(self.message("ACK", 1))
        return code

    def close(self) -> None:
        self.socket.close()
