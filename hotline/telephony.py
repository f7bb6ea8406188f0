"""The telephony process: the sound of all calls, and a conversation for each.

No database here: a locked, migrating or absent one must not lose a voice.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import structlog

from core.errors import Unavailable
from core.settings import Settings
from hotline.call import Call, Driver, Undialled
from hotline.sip import access, wire
from hotline.sip.clock import MediaClock
from hotline.sip.dialled import DialledCall
from hotline.sip.endpoint import SipCall, Surroundings
from hotline.sip.far_line import SignallingLine
from hotline.sip.media import MediaLimits
from hotline.sip.ports import RtpPorts
from hotline.sip.prompts import SoundBank
from hotline.sip.sdp import Offer
from hotline.sip.wire import Message

log = structlog.get_logger(__name__)

DISK_THREADS = 4
PRIORITY = -10
STOP_S = 2.5
BEGIN_AGAIN_S = 2.0


class ConversationFactory(Protocol):
    """What telephony needs of the dialogue."""

    def converse(self, call: Call) -> Awaitable[None]:
        """Lead one call from ringing to its end."""
        ...

    def prompt_paths(self) -> list[Path]:
        """Sounds to encode before the first call."""
        ...

    def turned_away(self, caller: str, called: str) -> None:
        """A call was told "busy" because the hotline is full. Returns at once."""
        ...


class Beside(Protocol):
    """Work that shares the process with the calls and makes calls of its own."""

    async def run(self) -> None:
        """Work until cancelled."""
        ...


class Telephony:
    """Calls by id, the clock they share, and the line to signalling."""

    def __init__(self, settings: Settings, conversations: ConversationFactory) -> None:
        self._settings = settings
        self._conversations = conversations
        self.line = SignallingLine(self._told, self._line_lost)
        self._disk = ThreadPoolExecutor(DISK_THREADS, thread_name_prefix="disk")
        self._bank = SoundBank(self._disk)
        self._around = Surroundings(
            host=settings.sip_host,
            rtp_ports=RtpPorts(settings.sip_host, settings.rtp_port_first, settings.rtp_port_last),
            media_networks=access.media(settings),
            bank=self._bank,
            disk=self._disk,
            limits=MediaLimits(rtp_timeout_s=settings.call_rtp_timeout_s),
            send=self.line.send,
        )
        self._calls: dict[str, SipCall] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.clock = MediaClock(self._beat)
        self.calls_taken = 0

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Serve until cancelled, then end every call so that its recording is complete."""
        self._bank.encode_ahead(self._conversations.prompt_paths())
        gc.collect()
        gc.freeze()  # the tables and prompts stay: no need to look through them again
        path = wire.socket_path(self._settings)
        lock = wire.claim(path)
        server = await asyncio.start_unix_server(self.line.serve, sock=wire.listen(path))
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
        self.line.close()

    def _beat(self, tick: int) -> None:
        for call in list(self._calls.values()):
            try:
                call.media.beat(tick)
            except Exception as error:
                log.error("a call's sound failed", call_id=call.call_id, error=repr(error))
                call.network_lost("error")

    # What signalling tells

    def _line_lost(self) -> None:
        for call in list(self._calls.values()):
            if isinstance(call, DialledCall):
                call.line_lost()

    def _told(self, message: Message) -> None:
        if message["type"] == "invite":
            self._invited(message)
            return
        if message["type"] == "stray_goodbye":
            self._stray_goodbye(message["tags"])
            return
        if message["type"] == "turned_away":
            self._conversations.turned_away(str(message["caller"]), str(message["called"]))
            return
        call = self._calls.get(str(message.get("id")))
        if call is None:
            if message["type"] == "picked_up":  # just when we gave up
                self.line.send(
                    {"type": "hang_up", "id": message["id"], "dialog": message["dialog"]}
                )
            return
        if message["type"] == "reinvite":
            call.offered(_offer(message))
        elif message["type"] == "acked":
            call.acknowledged(Offer.from_message(message["offer"]))
        elif message["type"] == "picked_up" and isinstance(call, DialledCall):
            call.picked_up(message)
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
        caller, called = str(message["caller"]), str(message["called"])
        if len(self._calls) >= self._settings.call_cap:
            self._refuse(call_id, 486, "Busy Here")
            self._conversations.turned_away(caller, called)
            return
        try:
            call = SipCall(
                self._around,
                call_id=call_id,
                caller=caller,
                called=called,
                remote_ip=str(message["source"]),
            )
        except Unavailable as error:
            log.error("a call cannot be taken", error=error.text)
            self._refuse(call_id, 503, "Service Unavailable")
            self._conversations.turned_away(caller, called)
            return
        call.offered(_offer(message))
        self.calls_taken += 1
        self._follow(call, self._lead(call))

    def _follow(self, call: SipCall, life: Coroutine[None, None, None]) -> None:
        self._calls[call.call_id] = call
        task = asyncio.create_task(life, name=f"call {call.call_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def dial(self, number: str, *, ring_s: float) -> Call | Undialled:
        """Fulfils ``hotline.call.Driver``."""
        if len(self._calls) >= self._settings.call_cap:
            return "limit"
        if not self.line.connected:
            return "no_trunk"
        ours = self._settings.trunk_number
        try:
            call = DialledCall(self._around, ours=ours, number=number)
        except Unavailable as error:
            log.error("no call can be made", error=error.text)
            return "limit"
        self._follow(call, self._outlive(call))
        return await call.ring(ring_s) or call

    async def _outlive(self, call: SipCall) -> None:
        try:
            await call.gone()
        finally:
            del self._calls[call.call_id]

    def _refuse(self, call_id: str, code: int, reason: str) -> None:
        self.line.send({"type": "refuse", "id": call_id, "code": code, "reason": reason})

    async def _lead(self, call: SipCall) -> None:
        try:
            await self._conversations.converse(call)
        except Exception:
            log.exception("a conversation failed", call_id=call.call_id)
        finally:
            await call.hang_up("done")
            del self._calls[call.call_id]


def _offer(message: Message) -> Offer | None:
    fields = message["offer"]
    return None if fields is None else Offer.from_message(fields)


def _note_failure(_loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    log.error("event loop", error=repr(context.get("exception") or context.get("message")))


async def _keep_on(work: Beside) -> None:
    while True:
        try:
            await work.run()
        except Exception:
            log.exception("work beside the calls failed; it begins again")
        await asyncio.sleep(BEGIN_AGAIN_S)


async def serve(
    settings: Settings,
    conversations: ConversationFactory,
    on_ready: Callable[[], None],
    beside: Callable[[Driver], Beside] | None = None,
) -> None:
    """Run telephony in this event loop until SIGTERM or SIGINT, and what ``beside`` makes."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_note_failure)
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    telephony = Telephony(settings, conversations)
    await until_stopped(telephony.run(on_ready), telephony, beside)


async def until_stopped(
    serving: Coroutine[Any, Any, None],
    driver: Driver,
    beside: Callable[[Driver], Beside] | None,
) -> None:
    """Run ``serving`` until SIGTERM or SIGINT, and what ``beside`` makes."""
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(serving)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    others = [] if beside is None else [asyncio.create_task(_keep_on(beside(driver)))]
    task.add_done_callback(lambda _: [other.cancel() for other in others])
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await asyncio.gather(*others, return_exceptions=True)
