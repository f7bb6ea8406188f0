"""The telephony process: the sound of all calls, and a conversation for each.

No database here: a locked, migrating or absent one must not lose a voice.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import structlog

from core.errors import Unavailable
from core.settings import Settings
from hotline.call import Call
from hotline.sip import access, wire
from hotline.sip.clock import MediaClock
from hotline.sip.endpoint import SipCall
from hotline.sip.media import MediaLimits
from hotline.sip.ports import RtpPorts
from hotline.sip.prompts import SoundBank
from hotline.sip.rtp import Peer
from hotline.sip.sdp import Offer
from hotline.sip.wire import Message

log = structlog.get_logger(__name__)

DISK_THREADS = 4
PRIORITY = -10
STOP_S = 2.5
UNSAID_MESSAGES = 1000
"""Goodbyes that wait for signalling to come back."""


class ConversationFactory(Protocol):
    """What telephony needs of the dialogue."""

    def converse(self, call: Call) -> Awaitable[None]:
        """Lead one call from ringing to its end."""
        ...

    def prompt_paths(self) -> list[Path]:
        """Sounds to encode before the first call."""
        ...


class Telephony:
    """Calls by id, the clock they share, and the line to signalling."""

    def __init__(self, settings: Settings, conversations: ConversationFactory) -> None:
        self._settings = settings
        self._conversations = conversations
        self._media_networks = access.media(settings)
        self._ports = RtpPorts(settings.sip_host, settings.rtp_port_first, settings.rtp_port_last)
        self._limits = MediaLimits(rtp_timeout_s=settings.call_rtp_timeout_s)
        self._disk = ThreadPoolExecutor(DISK_THREADS, thread_name_prefix="disk")
        self._bank = SoundBank(self._disk)
        self._calls: dict[str, SipCall] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._line: asyncio.StreamWriter | None = None
        self._unsaid: deque[Message] = deque(maxlen=UNSAID_MESSAGES)
        self.clock = MediaClock(self._beat)
        self.calls_taken = 0

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Serve until cancelled, then end every call so that its recording is complete."""
        self._bank.encode_ahead(self._conversations.prompt_paths())
        gc.collect()
        gc.freeze()  # the tables and prompts stay: no need to look through them again
        path = wire.socket_path(self._settings)
        lock = wire.claim(path)
        server = await asyncio.start_unix_server(self._serve_line, sock=wire.listen(path))
        clock = asyncio.create_task(self.clock.run())
        try:
            on_ready()
            await clock
        finally:
            server.close()
            path.unlink(missing_ok=True)
            await self._end_all()
            clock.cancel()
            self._disk.shutdown()
            lock.close()
            self._report()

    def _report(self) -> None:
        log.info(
            "telephony stopped",
            calls=self.calls_taken,
            ticks=self.clock.tick,
            clock_late_p50_ms=self.clock.late_ms(0.5),
            clock_late_p99_ms=self.clock.late_ms(0.99),
            clock_late_max_ms=round(self.clock.late_max_ms, 1),
        )

    async def _end_all(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await asyncio.gather(*(c.hang_up("stopped") for c in self._calls.values()))
                if self._tasks:
                    await asyncio.wait(self._tasks)
        for task in self._tasks:
            task.cancel()
        if self._line is not None:
            self._line.close()

    def _beat(self, tick: int) -> None:
        for call in list(self._calls.values()):
            try:
                call.media.beat(tick)
            except Exception as error:
                log.error("a call's sound failed", call_id=call.call_id, error=repr(error))
                call.network_lost("error")

    # The line to signalling

    async def _serve_line(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        before, self._line = self._line, writer
        if before is not None:
            before.close()
        log.info("signalling is there")
        while self._unsaid:
            self._send(self._unsaid.popleft())
        try:
            while True:
                self._hear(await wire.receive(reader))
        except (OSError, asyncio.IncompleteReadError, wire.BadFrame) as error:
            log.warning("signalling is gone; calls in progress go on", error=str(error))
        finally:
            if self._line is writer:
                self._line = None
            writer.close()

    def _send(self, message: Message) -> None:
        if self._line is not None:
            self._line.write(wire.encode(message))
        elif message["type"] == "hang_up":
            self._unsaid.append(message)

    def _hear(self, message: Message) -> None:
        try:
            self._told(message)
        except Exception as error:  # one call's trouble is not that of the others on this line
            log.error("a message failed", type=message["type"], error=repr(error))

    def _told(self, message: Message) -> None:
        if message["type"] == "invite":
            self._invited(message)
            return
        if message["type"] == "stray_goodbye":
            self._stray_goodbye(message["tags"])
            return
        call = self._calls.get(str(message.get("id")))
        if call is None:
            return
        if message["type"] == "reinvite":
            call.offered(Offer.from_message(message["offer"]))
        elif message["type"] == "answered":
            call.answered(dict(message["dialog"]), list(message["tags"]))
        elif message["type"] == "key":
            call.info_key(str(message["digit"]))
        elif message["type"] == "ended":
            call.ended(str(message["cause"]))

    def _stray_goodbye(self, tags: list[str]) -> None:
        for call in list(self._calls.values()):
            if call.tags and call.tags == tags:
                call.ended("hangup")

    def _invited(self, message: Message) -> None:
        call_id = str(message["id"])
        if len(self._calls) >= self._settings.call_cap:
            self._refuse(call_id, 486, "Busy Here")
            return
        source = str(message["source"])
        try:
            call = SipCall(
                call_id=call_id,
                caller=str(message["caller"]),
                called=str(message["called"]),
                host=self._settings.sip_host,
                rtp_ports=self._ports,
                peer=Peer(source, self._media_networks),
                signalling_ip=source,
                bank=self._bank,
                disk=self._disk,
                limits=self._limits,
                send=self._send,
            )
        except Unavailable as error:
            log.error("a call cannot be taken", error=error.text)
            self._refuse(call_id, 503, "Service Unavailable")
            return
        call.offered(Offer.from_message(message["offer"]))
        self._calls[call_id] = call
        self.calls_taken += 1
        task = asyncio.create_task(self._lead(call), name=f"call {call_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _refuse(self, call_id: str, code: int, reason: str) -> None:
        self._send({"type": "refuse", "id": call_id, "code": code, "reason": reason})

    async def _lead(self, call: SipCall) -> None:
        try:
            await self._conversations.converse(call)
        except Exception:
            log.exception("a conversation failed", call_id=call.call_id)
        finally:
            await call.hang_up("done")
            del self._calls[call.call_id]


def _note_failure(_loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    log.error("event loop", error=repr(context.get("exception") or context.get("message")))


async def serve(
    settings: Settings, conversations: ConversationFactory, on_ready: Callable[[], None]
) -> None:
    """Run telephony in this event loop until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_note_failure)
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    task = asyncio.create_task(Telephony(settings, conversations).run(on_ready))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
