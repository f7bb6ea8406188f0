"""The telephony process over an Asterisk: the same conversations, another switch.

No database here either. When the line to Asterisk breaks, calls go on in Asterisk; orders are
repeated for some seconds, and after a new connection we look which calls are still there.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from core.settings import Settings
from hotline.asterisk import recovery
from hotline.asterisk.call import AsteriskCall
from hotline.asterisk.client import Ari, ChannelGone, Trouble
from hotline.asterisk.events import (
    DIALLED,
    Entered,
    Event,
    Gone,
    HangingUp,
    Listening,
    Played,
    Pressed,
    Recorded,
    Talking,
    ended,
    undialled,
)
from hotline.asterisk.shelf import Shelf
from hotline.call import Call, Driver, Undialled
from hotline.telephony import Beside, ConversationFactory, until_stopped

log = structlog.get_logger(__name__)

AGAIN_S = (0.3, 1.0, 2.0, 5.0)
ANSWER_S = 2.0
"""How long after Asterisk's own limit the answer to a dialling may come."""
STOP_S = 5.0
RESCUE_AGAIN_S = 30.0
LET_GO_AGAIN_S = (1.0, 2.0, 5.0, 10.0, 30.0)
_NUMBER = re.compile(r"\+?[0-9]{2,20}")


class AsteriskTelephony:
    """Calls by channel, and the line to Asterisk. A ``hotline.call.Driver``."""

    def __init__(self, settings: Settings, conversations: ConversationFactory) -> None:
        self._settings = settings
        self._conversations = conversations
        self._ari = Ari(settings)
        self._shelf = Shelf(settings)
        self._calls: dict[str, AsteriskCall] = {}
        self._ringing: dict[str, asyncio.Future[AsteriskCall | Undialled]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._rescuing: asyncio.Task[None] | None = None
        self._to_rescue, self._rescued = 1, 0

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Serve until cancelled, then end every call so that its recording is complete."""
        await asyncio.to_thread(self._shelf.prepare, self._conversations.prompt_paths())
        on_ready()
        serving = asyncio.create_task(self._serve())
        try:
            await asyncio.shield(serving)  # the ends of recordings must be heard after a stop
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_S):
                    await self._end_all()
            for task in (serving, *self._tasks):
                task.cancel()
            await asyncio.wait([serving, *self._tasks], timeout=1)
            await self._ari.close()

    async def _serve(self) -> None:
        failures = 0
        while True:
            held = await recovery.held(self._ari, self._settings)
            try:
                async for event in self._ari.listen():
                    failures = 0
                    if isinstance(event, Listening):
                        await self._line_stands(held)
                    else:
                        await self._happened(event)
            except Trouble as error:
                wait_s = AGAIN_S[min(failures, len(AGAIN_S) - 1)]
                failures += 1
                log.warning("no line to Asterisk", why=str(error), again_in_s=wait_s)
                await asyncio.sleep(wait_s)

    async def _end_all(self) -> None:
        if self._rescuing is not None:
            self._rescuing.cancel()  # what it has not fetched is fetched after the next start
        for ringing in self._ringing.values():
            if not ringing.done():
                ringing.set_result("cancelled")
        await asyncio.gather(*(call.hang_up("stopped") for call in self._calls.values()))
        if self._tasks:
            await asyncio.wait(self._tasks)

    # What Asterisk tells

    async def _happened(self, event: Event) -> None:
        match event:
            case Entered():
                await self._entered(event)
            case HangingUp(channel, cause) if channel in self._calls:
                self._calls[channel].cause = cause
            case Gone(channel, cause):
                self._gone(channel, cause)
            case Pressed(channel, digit) if channel in self._calls:
                self._calls[channel].pressed(digit)
            case Talking(channel) if channel in self._calls:
                self._calls[channel].talking()
            case Played(playback):
                for call in self._calls.values():
                    call.played(playback)
            case Recorded(name, failed):
                for call in self._calls.values():
                    call.recorded(name, failed)

    async def _line_stands(self, held: set[str]) -> None:
        """``held``: the channels of our application just before."""
        log.info("Asterisk is there")
        for channel in held - set(self._calls) - set(self._ringing):
            log.warning("a call of a process that died is ended", channel=channel)
            self._start(self._refuse(channel, "normal"))
        self._go_on_rescuing()
        try:
            there = {str(each["id"]) for each in await self._ari.order("GET", "channels") or []}
        except (ChannelGone, Trouble) as error:
            log.warning("Asterisk tells no channels", why=str(error))
            return
        for channel in set(self._calls) - there:
            self._gone(channel, 0)

    def _go_on_rescuing(self) -> None:
        if self._rescuing is None or self._rescuing.done():
            self._rescuing = self._start(self._rescue())

    async def _rescue(self) -> None:
        """Beside the calls: a recording that is not there is waited for."""
        while self._rescued < (asked := self._to_rescue):
            try:
                await recovery.rescue(self._ari, self._settings)
                self._rescued = asked
            except (Trouble, OSError) as error:
                log.warning("recordings of an earlier process wait", why=str(error)[:200])
                await asyncio.sleep(RESCUE_AGAIN_S)

    def _gone(self, channel: str, cause: int) -> None:
        ringing = self._ringing.get(channel)
        if ringing is not None and not ringing.done():
            ringing.set_result(undialled(cause))
        call = self._calls.get(channel)
        if call is not None:
            call.gone(ended(cause or call.cause))

    async def _entered(self, event: Entered) -> None:
        if event.channel in self._calls:
            return  # told twice
        ringing = self._ringing.get(event.channel)
        if event.dialled and ringing is None:
            await self._refuse(event.channel, "normal")  # answered just when we gave up
            return
        if ringing is None and len(self._calls) >= self._settings.call_cap:
            log.info("refused", reason="cap", code=486)
            self._conversations.turned_away(event.caller, event.called)
            await self._refuse(event.channel, "busy")
            return
        call = AsteriskCall(
            self._ari,
            self._shelf,
            event.channel,
            event.caller,
            event.called,
            recordings=self._settings.ari_recordings,
        )
        self._calls[event.channel] = call
        if ringing is not None and not ringing.done():
            ringing.set_result(call)
            self._start(self._forget_when_over(call))
        else:
            self._start(self._lead(call))

    async def _refuse(self, channel: str, reason: str) -> None:
        try:
            await self._ari.order("DELETE", "channels", channel, params={"reason": reason})
        except ChannelGone:
            pass
        except Trouble:
            self._start(self._let_go(channel))

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _lead(self, call: AsteriskCall) -> None:
        try:
            await self._conversations.converse(call)
        except Exception:
            log.exception("a conversation failed", call_id=call.call_id)
        finally:
            await call.hang_up("done")
            self._forget(call)

    async def _forget_when_over(self, call: AsteriskCall) -> None:
        await call.over()
        self._forget(call)

    def _forget(self, call: AsteriskCall) -> None:
        self._calls.pop(call.channel, None)
        if call.stays:
            self._start(self._let_go(call.channel))
        if call.left_sound:
            self._to_rescue += 1
            self._go_on_rescuing()

    async def _let_go(self, channel: str) -> None:
        """Nobody stays on a line that nobody leads."""
        for wait_s in itertools.chain(LET_GO_AGAIN_S, itertools.repeat(LET_GO_AGAIN_S[-1])):
            try:
                await self._ari.order("DELETE", "channels", channel)
                return
            except ChannelGone:
                return
            except Trouble as error:
                log.warning("a call cannot be ended yet", channel=channel, why=str(error)[:200])
                await asyncio.sleep(wait_s)

    # What conversations and orders ask for

    async def dial(self, number: str, *, ring_s: float) -> Call | Undialled:
        """See ``hotline.call.Driver.dial``."""
        if not _NUMBER.fullmatch(number):
            return "refused"
        if len(self._calls) + len(self._ringing) >= self._settings.call_cap:
            return "limit"
        channel = f"xiangyin-{uuid.uuid4().hex[:16]}"
        answered = self._ringing[channel] = asyncio.get_running_loop().create_future()
        try:
            await self._originate(channel, number, ring_s)
            async with asyncio.timeout(ring_s + ANSWER_S):
                return await asyncio.shield(answered)
        except (ChannelGone, Trouble) as error:
            log.warning("Asterisk does not dial", why=str(error)[:200])
            return "unreachable"
        except TimeoutError:
            await self._refuse(channel, "no_answer")
            return "no_answer"
        except asyncio.CancelledError:
            self._start(self._refuse(channel, "normal"))
            raise
        finally:
            del self._ringing[channel]

    async def _originate(self, channel: str, number: str, ring_s: float) -> None:
        asking: dict[str, str | int] = {
            "endpoint": self._settings.ari_dial.replace("{number}", number),
            "app": self._settings.ari_app,
            "appArgs": DIALLED,
            "channelId": channel,
            "timeout": max(1, round(ring_s)),
        }
        if self._settings.trunk_number:
            asking["callerId"] = self._settings.trunk_number
        await self._ari.order("POST", "channels", params=asking)


async def serve(
    settings: Settings,
    conversations: ConversationFactory,
    on_ready: Callable[[], None],
    beside: Callable[[Driver], Beside] | None = None,
) -> None:
    """Run over Asterisk until SIGTERM or SIGINT, and what ``beside`` makes."""
    telephony = AsteriskTelephony(settings, conversations)
    await until_stopped(telephony.run(on_ready), telephony, beside)
