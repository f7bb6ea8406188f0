"""A far end of bare packets: gets our requests and answers what a test wants."""

from __future__ import annotations

import re
import secrets
import socket
import time


class RawPeer:
    """One UDP socket that plays a gateway, a carrier or a telephone."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.host, self.port = self.socket.getsockname()
        self.tag = secrets.token_hex(4)
        self.source: tuple[str, int] = ("", 0)

    def hear(self, start: str, timeout_s: float = 5.0) -> str:
        """The next message that starts with ``start``; "" when none comes."""
        until = time.monotonic() + timeout_s
        while (left := until - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                data, self.source = self.socket.recvfrom(9000)
            except TimeoutError:
                break
            if data.decode().startswith(start):
                return data.decode()
        return ""

    def reply(
        self, request: str, code: int, body: str = "", *, contact: str = "", extra: str = ""
    ) -> None:
        """Answer ``request``; its headers go back as they came."""
        back = re.findall(r"^(?:Via|From|Call-ID|CSeq):[^\r]*", request, re.MULTILINE)
        to = header(request, "To") + ("" if code == 100 else f";tag={self.tag}")
        lines = [f"SIP/2.0 {code} Whatever", *back, f"To: {to}"]
        lines += [f"Contact: {contact or f'<sip:far@{self.host}:{self.port}>'}"]
        lines += [extra] if extra else []
        lines += ["Content-Type: application/sdp"] if body else []
        text = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body])
        self.socket.sendto(text.encode(), self.source)

    def ask(self, invite: str, method: str, sequence: int, body: str = "") -> str:
        """Send a request of our own within the call that ``invite`` began; the final answer."""
        via = f"SIP/2.0/UDP {self.host}:{self.port};branch=z9hG4bK{secrets.token_hex(5)}"
        target = re.search(r"<(sip:[^>]*)>", header(invite, "Contact"))
        assert target
        lines = [
            f"{method} {target[1]} SIP/2.0",
            f"Via: {via}",
            f"From: {header(invite, 'To')};tag={self.tag}",
            f"To: {header(invite, 'From')}",
            f"Call-ID: {header(invite, 'Call-ID')}",
            f"CSeq: {sequence} {method}",
            f"Contact: <sip:far@{self.host}:{self.port}>",
            "Max-Forwards: 70",
        ]
        lines += ["Content-Type: application/sdp"] if body else []
        text = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body])
        self.socket.sendto(text.encode(), self.source)
        while (answer := self.hear("SIP/2.0 ")) and answer.startswith("SIP/2.0 1"):
            pass
        return answer

    def close(self) -> None:
        self.socket.close()


def header(message: str, name: str) -> str:
    """The value of the first header of that name."""
    found = re.search(rf"^{name}: *([^\r]*)", message, re.MULTILINE | re.IGNORECASE)
    assert found, message
    return found[1]
