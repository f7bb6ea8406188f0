"""Telephony's end of the line without any telephony: a test says what it says, and listens."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from pathlib import Path
from typing import Any

from core.settings import Settings
from hotline.sip import wire
from hotline.sip.wire import Message
from tests.hotline_sip.raw import offer

OUR_OFFER = offer(port=38880)


class FakeTelephony:
    """Takes one signalling process after the other, as the real one does."""

    def __init__(self, data_folder: Path) -> None:
        self._server = wire.listen(wire.socket_path(Settings(data_dir=data_folder)))
        self._server.setblocking(True)
        self._line: socket.socket | None = None
        self._heard: queue.Queue[Message] = queue.Queue()
        self.connections = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._server.accept()
                self._line = line
                self.connections += 1
                with contextlib.suppress(OSError):
                    while (message := wire.receive_blocking(line)) is not None:
                        self._heard.put(message)

    def say(self, kind: str, call_id: str, **fields: Any) -> None:
        assert self._line is not None
        self._line.sendall(wire.encode({"type": kind, "id": call_id, **fields}))

    def dial(self, number: str, call_id: str = "out1") -> None:
        self.say("dial", call_id, number=number, sdp=OUR_OFFER)

    def hear(self, kind: str, timeout_s: float = 10.0) -> Message:
        """The next message, which must be of that kind."""
        message = self._heard.get(timeout=timeout_s)
        assert message["type"] == kind, message
        return message

    def hears_nothing(self, for_s: float = 0.5) -> bool:
        try:
            return not self._heard.get(timeout=for_s)
        except queue.Empty:
            return True

    def hang_up_line(self) -> None:
        """Telephony dies."""
        assert self._line is not None
        self._line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._server.close()
        if self._line is not None:
            self._line.close()
