"""Signalling's end of the line to telephony: connects, reads on a thread, connects again."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable

import structlog

from core.settings import Settings
from hotline.sip import wire
from hotline.sip.wire import Message

log = structlog.get_logger(__name__)

RECONNECT_S = 0.3
SEND_TIMEOUT_S = 1


class TelephonyLine:
    """``on_message`` and ``on_gone`` are called on the reading thread."""

    def __init__(
        self,
        settings: Settings,
        on_message: Callable[[Message], object],
        on_gone: Callable[[], object],
    ) -> None:
        self._path = wire.socket_path(settings)
        self._on_message = on_message
        self._on_gone = on_gone
        self._line: socket.socket | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._read_forever, name="line", daemon=True)

    @property
    def connected(self) -> bool:
        """Whether telephony can be told of calls."""
        return self._line is not None

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def close(self) -> None:
        """End the line for good."""
        self._stopped.set()
        self._drop(self._line)

    def send(self, message: Message) -> bool:
        """Send at once; False when telephony is not there or does not listen."""
        line = self._line
        if line is None:
            return False
        try:
            line.sendall(wire.encode(message))
        except OSError:
            self._drop(line)
            return False
        return True

    def _drop(self, line: socket.socket | None) -> None:
        if line is None:
            return
        if self._line is line:
            self._line = None
        try:
            line.shutdown(socket.SHUT_RDWR)  # wakes the reading thread, which closes it
        except OSError:
            return

    def _read_forever(self) -> None:
        while not self._stopped.is_set():
            line = wire.connect(self._path)
            if line is None:
                self._stopped.wait(RECONNECT_S)
                continue
            timeout = struct.pack("@ll", SEND_TIMEOUT_S, 0)
            line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)
            self._line = line
            log.info("telephony is there")
            self._read(line)
            self._drop(line)
            line.close()
            if not self._stopped.is_set():
                log.warning("telephony is gone")
                self._on_gone()

    def _read(self, line: socket.socket) -> None:
        try:
            while (message := wire.receive_blocking(line)) is not None:
                self._on_message(message)
        except (OSError, wire.BadFrame) as error:
            log.warning("the line broke", error=str(error))
