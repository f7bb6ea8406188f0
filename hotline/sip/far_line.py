"""Telephony's end of the line to signalling: one process at a time, the newest counts."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import structlog

from hotline.sip import wire
from hotline.sip.wire import Message

log = structlog.get_logger(__name__)

UNSAID_MESSAGES = 1000
"""Goodbyes that wait for signalling to come back."""


class SignallingLine:
    """``on_message`` hears each message; ``on_lost`` that the process behind the line is gone."""

    def __init__(self, on_message: Callable[[Message], None], on_lost: Callable[[], None]) -> None:
        self._on_message = on_message
        self._on_lost = on_lost
        self._writer: asyncio.StreamWriter | None = None
        self._unsaid: deque[Message] = deque(maxlen=UNSAID_MESSAGES)

    @property
    def connected(self) -> bool:
        """Whether signalling is there."""
        return self._writer is not None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read one connection to its end."""
        before, self._writer = self._writer, writer
        if before is not None:
            before.close()
            self._on_lost()
        log.info("signalling is there")
        while self._unsaid:
            self.send(self._unsaid.popleft())
        try:
            while True:
                self._hear(await wire.receive(reader))
        except (OSError, asyncio.IncompleteReadError, wire.BadFrame) as error:
            log.warning("signalling is gone; calls in progress go on", error=str(error))
        finally:
            if self._writer is writer:
                self._writer = None
                self._on_lost()
            writer.close()

    def _hear(self, message: Message) -> None:
        try:
            self._on_message(message)
        except Exception as error:  # one call's trouble is not that of the others on this line
            log.error("a message failed", type=message["type"], error=repr(error))

    def send(self, message: Message) -> None:
        """Say it now; of what cannot be said, goodbyes wait."""
        if self._writer is not None:
            self._writer.write(wire.encode(message))
        elif message["type"] == "hang_up":
            self._unsaid.append(message)

    def close(self) -> None:
        """End the connection."""
        if self._writer is not None:
            self._writer.close()
