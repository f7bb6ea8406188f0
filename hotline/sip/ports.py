"""UDP sockets for call audio, out of the configured range."""

from __future__ import annotations

import socket

from core.errors import N_, Unavailable

RECEIVE_BUFFER_BYTES = 1 << 18


class RtpPorts:
    """Hands out bound sockets on even ports, each port as late as possible again."""

    def __init__(self, host: str, first: int, last: int) -> None:
        self._host = host
        self._ports = range(first + first % 2, last + 1, 2)
        self._next = 0

    def open(self) -> socket.socket:
        """A non-blocking socket. Raises Unavailable when every port is taken."""
        for _ in self._ports:
            port = self._ports[self._next]
            self._next = (self._next + 1) % len(self._ports)
            opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
                opened.bind((self._host, port))
            except OSError:
                opened.close()
                continue
            opened.setblocking(False)
            return opened
        raise Unavailable(
            N_("No UDP port is free for call audio. Widen XIANGYIN_RTP_PORT_FIRST and _LAST.")
        )


def require_free(host: str, port: int) -> None:
    """Raise OSError when ``port`` cannot be bound.

    sippy shares its port with whoever asks (SO_REUSEADDR), so two hotlines would take each
    other's packets without a word.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((host, port))


def local_address(bound_host: str, remote_ip: str) -> str:
    """The address of ours that ``remote_ip`` can reach; the bound one unless it is 0.0.0.0."""
    if bound_host != "0.0.0.0":
        return bound_host
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with probe:
        try:
            probe.connect((remote_ip, 9))  # sends nothing; the kernel chooses the way out
        except OSError:
            return "127.0.0.1"
        address: str = probe.getsockname()[0]
        return address
