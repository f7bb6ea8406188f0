"""Answers calls: what a telephony process needs besides its driver.

Everything that waits for the disk runs in a worker thread, so the shared clock of the calls never
stumbles over a slow card. Nothing here knows a database.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from core import bell
from core.clock import utc_now
from core.sealed import Sealer
from core.settings import Settings
from hotline import limits, prompts, talk
from hotline.ask import ask
from hotline.call import Call, HungUp, Key, PlayEnded
from hotline.dialogue import Facts
from hotline.directory import Reader
from hotline.journal import BELL, Entry, Journal, opened, spool_of
from hotline.number_block import LOW_WATER, NumberBlock
from hotline.outgoing.contract import Found, Outgoing
from hotline.prompts import Prompts
from hotline.telling import Telling
from hotline.turned_away import TurnedAway
from hotline.unwritten import Unwritten
from transcribe.stream import Announcer

NO_DISK = "disk"
log = structlog.get_logger("hotline.conversation")


class NobodyToCall:
    """Where telephony cannot dial: callers who want a person are promised a call-back."""

    def ring_duty(
        self, call_id: str, *, caller: str, village_code: str | None, reference_no: str | None
    ) -> None:
        log.warning("no duty phone can be rung from here", call_id=call_id)

    async def find_human(self, call: Call, *, village_code: str | None) -> Found:
        return "no_trunk"


class ConversationFactory:
    """Answers calls. One per telephony process; ``outgoing`` may be set later."""

    def __init__(
        self,
        settings: Settings,
        sealer: Sealer,
        spoken: Prompts,
        *,
        outgoing: Outgoing | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.sealer = sealer
        self.prompts = spoken
        self.outgoing: Outgoing = outgoing or NobodyToCall()
        self.directory = Reader(settings)
        self.numbers = NumberBlock.from_settings(settings)
        self.spool = spool_of(settings)
        self.announcer = Announcer(settings)
        self.monotonic_s = monotonic_s
        self.unwritten = Unwritten(self.spool)
        self._turned_away = TurnedAway(self.spool, sealer)
        self._writing: set[asyncio.Task[None]] = set()
        self._refilling: asyncio.Task[object] | None = None

    def prompt_paths(self) -> list[Path]:
        """Every sound a call may play, so that a driver can encode them ahead."""
        return sorted(
            {path for spoken in self.prompts.sets.values() for path in spoken.paths.values()}
        )

    async def converse(self, call: Call) -> None:
        """Answer ``call`` and see it to its end. Never raises but for cancellation."""
        try:
            journal = await asyncio.to_thread(
                Journal.begin, self.spool, self.sealer, call.call_id, call.caller, call.called
            )
        except FileExistsError:
            log.warning("the same call was delivered twice", call_id=call.call_id)
            await call.hang_up("duplicate")
            return
        except OSError as error:
            log.error("a call could not be written down", call_id=call.call_id, error=str(error))
            await self._apologise(call)
            return
        telling = Telling(self.announcer)
        try:
            await talk.Talk(self, call, journal, telling).run()
        except Exception as error:
            log.exception("the conversation broke", call_id=call.call_id, error=repr(error))
        finally:
            telling.stop()
            journal.close()
            bell.ring(BELL)

    def turned_away(self, caller: str, called: str) -> None:
        """A call found the hotline full: leave a call-back for it. Returns at once."""
        if self._turned_away.admits(caller):
            entry = self._turned_away.entry(caller, called)
            task = asyncio.create_task(self._write_turned_away(entry))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    async def _write_turned_away(self, entry: Entry) -> None:
        if not await asyncio.to_thread(self._turned_away.write, entry):
            self.unwritten.keep(entry)

    async def _apologise(self, call: Call) -> None:
        """Say it, and remember whom it was said to: the disk may have room later."""
        missed = opened(self.sealer, call.call_id, call.caller, call.called)
        try:
            await call.answer()
            missed.answered_at = utc_now().isoformat()
            token = call.play(self.prompts.sounds(("apology_down",)))
            for _ in range(50):
                event = await call.next_event(limits.PROMPT_LIMIT_S)
                if event == Key("5") and missed.urgent_reason is None:
                    await self._just_cheated(call, missed)
                elif event is None or isinstance(event, HungUp) or event == PlayEnded(token):
                    break
            await call.hang_up(NO_DISK)
        finally:
            missed.ended_at, missed.end_cause = utc_now().isoformat(), NO_DISK
            missed.finished = True
            self.unwritten.keep(missed)

    async def _just_cheated(self, call: Call, missed: Entry) -> None:
        """Key 5 during the apology: nothing is recorded, yet the duty phone rings."""
        directory = await asyncio.to_thread(self.directory.current)
        known = Facts(called=call.called, directory=directory)
        missed.urgent_reason, missed.village_code = "fraud", known.line_village
        missed.village_from = "line" if missed.village_code else None
        try:
            self.outgoing.ring_duty(
                missed.call_id,
                caller=call.caller,
                village_code=missed.village_code,
                reference_no=None,
            )
        except Exception as error:  # the call-back goes on whatever becomes of the ringing
            log.error("the duty phone does not ring", call_id=missed.call_id, error=repr(error))

    async def number(self) -> str | None:
        """A reference number to promise, or None; asks for more before the block is empty."""
        number = await asyncio.to_thread(self.numbers.take)
        if number is None:
            await ask(self.settings, "references")
            return await asyncio.to_thread(self.numbers.take)
        if self._refilling is None or self._refilling.done():
            self._refilling = asyncio.create_task(self._refill())
        return number

    async def _refill(self) -> None:
        with contextlib.suppress(OSError):
            if await asyncio.to_thread(self.numbers.left) < LOW_WATER:
                await ask(self.settings, "references")


def build(settings: Settings, outgoing: Outgoing | None = None) -> ConversationFactory:
    """What the telephony process needs to answer calls.

    Renders missing prompts of the first language; the other languages are spoken in a process of
    their own meanwhile and join when they are done.
    """

    def tell(done: int, total: int, prompt_id: str) -> None:
        log.debug("preparing prompts", done=done, total=total, prompt=prompt_id)

    ready = prompts.prepare(settings, tell)
    if len(ready.languages) < len(prompts.languages_of(settings)):
        later = threading.Thread(
            target=prompts.add_later, args=(settings, ready), name="prompts", daemon=True
        )
        later.start()
    sealer = Sealer.from_settings(settings)
    factory = ConversationFactory(settings, sealer, ready, outgoing=outgoing)
    atexit.register(factory.unwritten.write)
    return factory
