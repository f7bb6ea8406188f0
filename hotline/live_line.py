"""The line over which a caller speaks to villages: telephony calls the web process.

A Unix socket of the same machine, messages framed as in ``hotline.sip.wire``; one connection is one
address. Up: open {user_id, villages}, then sound {at_ms, pcm: base64 of 16-bit samples at 8 kHz},
here {} once a second, end {cause: keyed, hard_stop, hung_up, limit, connection, server}. Down:
opened {} or refused {error, and for somebody_speaks village_code and speaker}, then go {hearing},
here {} once a second, over {cause, missing}. Whoever hears nothing for five seconds lets go: an
address never goes on with nobody at one of its ends. No number of the caller's goes over it.
"""

from __future__ import annotations

import asyncio
import base64
from collections import deque
from pathlib import Path

import structlog

from core.settings import Settings
from hotline.live_steps import GoLive, LiveTold
from hotline.sip import wire
from hotline.sip.wire import Message

OPEN_WITHIN_S = 4.5
"""Less than the dialogue waits for it."""
SIGN_OF_LIFE_S = 1.0
LOST_S = 5.0
BEHIND_BYTES = 256 * 1024
"""Some twelve seconds of speech: who leaves that much unread does not listen."""
LOST = LiveTold("over", "lost")
_TROUBLE = (OSError, ValueError, KeyError, TypeError, TimeoutError, asyncio.IncompleteReadError)
log = structlog.get_logger("hotline.live")


def socket_path(settings: Settings) -> Path:
    """Where the web process listens."""
    return settings.socket_folder() / "on-air.sock"


async def call(settings: Settings, asked: GoLive) -> tuple[LiveLine | None, Message | None]:
    """The line once the address is open; else None and why, or both None when nobody answers."""
    line = None
    try:
        async with asyncio.timeout(OPEN_WITHIN_S):
            reader, writer = await asyncio.open_unix_connection(str(socket_path(settings)))
            line = LiveLine(reader, writer)
            line.tell("open", user_id=asked.user_id, villages=list(asked.villages))
            answer = await wire.receive(reader)
    except _TROUBLE as error:
        log.warning("no live address could be opened", error=type(error).__name__)
        answer = None
    if line is not None and answer is not None and answer["type"] == "opened":
        line.begin()
        return line, answer
    if line is not None:
        line.close()
    return None, answer


class LiveLine:
    """Telephony's end of one address. ``arrived`` is set while something was told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.arrived = asyncio.Event()
        self._told: deque[LiveTold] = deque()
        self._reader, self._writer = reader, writer
        self._tasks: list[asyncio.Task[None]] = []
        self._over = False

    def begin(self) -> None:
        """Listen to the other end, and show it that we are here."""
        self._tasks = [asyncio.create_task(work()) for work in (self._listen, self._show_life)]

    def say(self, at_ms: int, pcm: bytes) -> None:
        """Send what the caller said."""
        if self._writer.transport.get_write_buffer_size() > BEHIND_BYTES:
            self._end_with(LOST)
        else:
            self.tell("sound", at_ms=at_ms, pcm=base64.b64encode(pcm).decode())

    def end(self, cause: str) -> None:
        """The caller has done; "over" follows."""
        self.tell("end", cause=cause)

    def tell(self, kind: str, **fields: object) -> None:
        """Send a message, if the line still stands."""
        if not self._over:
            self._writer.write(wire.encode({"type": kind, **fields}))

    def close(self) -> None:
        """Let go of the line."""
        self._over = True
        for task in self._tasks:
            task.cancel()
        self._writer.close()

    def next_told(self) -> LiveTold | None:
        """What the other end told, in order; "over" comes once."""
        told = self._told.popleft() if self._told else None
        if not self._told:
            self.arrived.clear()
        return told

    async def _show_life(self) -> None:
        while not self._over:
            await asyncio.sleep(SIGN_OF_LIFE_S)
            self.tell("here")

    async def _listen(self) -> None:
        try:
            while not self._over:
                async with asyncio.timeout(LOST_S):
                    message = await wire.receive(self._reader)
                self._take(message)
        except _TROUBLE as error:
            log.warning("the line of a live address broke", error=type(error).__name__)
            self._end_with(LOST)

    def _take(self, message: Message) -> None:
        if message["type"] == "go":
            self._keep(LiveTold("go", hearing=int(message["hearing"])))
        elif message["type"] == "over":
            missing = tuple(map(str, message["missing"]))
            self._end_with(LiveTold("over", str(message["cause"]), missing=missing))

    def _end_with(self, told: LiveTold) -> None:
        if not self._over:
            self._over = True
            self._keep(told)

    def _keep(self, told: LiveTold) -> None:
        self._told.append(told)
        self.arrived.set()
