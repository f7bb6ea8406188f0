"""Runs the dialogue over a telephone call: carries its actions out and brings it the events.

Everything that waits for the disk runs in a worker thread, so the shared clock of the calls never
stumbles over a slow card. Nothing here knows a database.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from core import bell
from core.sealed import Sealer
from core.settings import Settings
from hotline import dialogue, limits, prompts
from hotline import steps as do
from hotline.ask import ask
from hotline.call import Call, HungUp, PlayEnded, RecordingStopped
from hotline.journal import BELL, Journal, spool_of
from hotline.number_block import LOW_WATER, NumberBlock
from hotline.prompt_texts import reference_sounds
from hotline.prompts import Prompts
from hotline.telling import Telling
from transcribe.stream import Announcer

CALL_LIMIT_S = 900.0
"""No road through the dialogue takes longer; whatever does is ended."""
log = structlog.get_logger("hotline.conversation")


class ConversationFactory:
    """Answers calls. One per telephony process."""

    def __init__(
        self,
        settings: Settings,
        sealer: Sealer,
        spoken: Prompts,
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.sealer = sealer
        self.prompts = spoken
        self.numbers = NumberBlock.from_settings(settings)
        self.spool = spool_of(settings)
        self.announcer = Announcer(settings)
        self.monotonic_s = monotonic_s
        self._refilling: asyncio.Task[object] | None = None

    def prompt_paths(self) -> list[Path]:
        """Every sound a call may play, so that a driver can encode them ahead."""
        return sorted(set(self.prompts.paths.values()))

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
            await _Conversation(self, call, journal, telling).run()
        except Exception as error:
            log.exception("the conversation broke", call_id=call.call_id, error=repr(error))
        finally:
            telling.stop()
            journal.close()
            bell.ring(BELL)

    async def _apologise(self, call: Call) -> None:
        await call.answer()
        token = call.play(self.prompts.sounds(("apology_down",)))
        for _ in range(50):
            event = await call.next_event(limits.PROMPT_LIMIT_S)
            if event is None or isinstance(event, HungUp) or event == PlayEnded(token):
                break
        await call.hang_up("disk")

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


class _Conversation:
    def __init__(
        self, factory: ConversationFactory, call: Call, journal: Journal, telling: Telling
    ) -> None:
        self._factory = factory
        self._call = call
        self._journal = journal
        self._telling = telling
        self._now = factory.monotonic_s
        self._token: int | None = None
        self._due_s = self._now()
        self._last_s = self._now() + CALL_LIMIT_S
        self._recording = False

    async def run(self) -> None:
        state, actions = dialogue.start(number_known=bool(self._call.caller))
        try:
            while True:
                event = await self._carry_out(state, actions) or await self._next()
                if state.ended:
                    return
                state, actions = dialogue.advance(state, event)
                self._journal.note(state.state, do.told(event))
        except BaseException as error:
            await asyncio.shield(self._break_off(error))
            raise

    async def _next(self) -> do.Event:
        while True:
            if self._now() >= self._last_s:
                self._last_s = self._now() + CALL_LIMIT_S
                await self._call.hang_up("limit")
                return HungUp("limit")
            left_s = max(0.0, min(self._due_s, self._last_s) - self._now())
            event = await self._call.next_event(left_s)
            if event is None:
                if self._now() >= self._last_s:
                    continue
                return do.TimedOut()
            if isinstance(event, PlayEnded) and event.token != self._token:
                continue  # the end of something that was interrupted
            if isinstance(event, RecordingStopped):
                self._take_ended()
            return event

    async def _carry_out(
        self, state: dialogue.Dialogue, actions: tuple[do.Action, ...]
    ) -> do.Event | None:
        """Do what the dialogue asks: fall silent, write it down, then act; an answer or None."""
        if do.Hush() in actions:
            self._call.stop_playing()
            self._token = None
        for action in actions:
            self._write_down(action)
        stored = not actions or await self._save()
        if not stored and any(isinstance(action, do.Consent) for action in actions):
            self._journal.withdraw_consent()
            return do.NotStored()
        answer: do.Event | None = None
        for action in actions:
            if isinstance(action, do.BindReference):
                answer = await self._bind()
            else:
                await self._act(action)
        if state.ended:
            return do.TimedOut()
        return answer

    def _write_down(self, action: do.Action) -> None:
        match action:
            case do.Consent(channel, confidential):
                version = self._factory.prompts.consent_version
                self._journal.consent(version, channel, confidential=confidential)
            case do.Urgent(reason):
                self._journal.entry.urgent_reason = reason
            case do.PromiseCallBack():
                self._journal.entry.call_back_promised = True
            case do.KeepTake(take, stopped):
                self._journal.keep_take(take, stopped)
            case do.End(cause):
                self._journal.finish(cause)

    async def _act(self, action: do.Action) -> None:
        match action:
            case do.Answer():
                await self._call.answer()
                self._journal.answered()
            case do.Say(sounds):
                self._say(sounds)
            case do.SayReference(number, pin, before, after):
                self._say(reference_sounds(number, pin, before, after))
            case do.Wait(seconds):
                self._due_s = self._now() + seconds
            case do.Listen():
                self._call.listen()
            case do.Forget():
                self._call.forget()
            case do.Record(take, keep_heard):
                self._recording = True
                path = self._journal.take_path(take)
                self._telling.begin(path, self._journal.spoken_takes())
                self._call.record(
                    path,
                    limit_s=limits.TAKE_LIMIT_S,
                    silence_s=limits.TAKE_SILENCE_S,
                    keep_heard=keep_heard,
                )
            case do.StopRecording():
                self._call.stop_recording()
            case do.End(cause):
                await self._call.hang_up(cause)

    def _take_ended(self) -> None:
        self._recording = False
        self._telling.done()

    def _say(self, sounds: tuple[str, ...]) -> None:
        self._token = self._call.play(self._factory.prompts.sounds(sounds))

    async def _save(self) -> bool:
        try:
            await asyncio.to_thread(self._journal.save)
        except OSError as error:
            log.error("call.json not written", call_id=self._call.call_id, error=str(error))
            return False
        return True

    async def _bind(self) -> do.ReferenceBound:
        pin = f"{secrets.randbelow(10_000):04d}"
        try:
            number = await self._factory.number()
            if number is None:
                return do.ReferenceBound(None, None)
            pin_hash = self._factory.sealer.keyed_hash("pin", number, pin)
            await asyncio.to_thread(self._journal.bind, number, pin_hash)
        except OSError as error:
            log.error("no number bound", call_id=self._call.call_id, error=str(error))
            return do.ReferenceBound(None, None)
        return do.ReferenceBound(number, pin)

    async def _break_off(self, error: BaseException) -> None:
        """Something broke, or the process is told to stop: keep what was said, then go."""
        cause = "stopped" if isinstance(error, asyncio.CancelledError) else "error"
        with contextlib.suppress(Exception):
            await self._call.hang_up(cause)
        if self._recording:
            await self._await_end_of_take()
        if not self._recording:
            self._journal.finish(cause)
            self._journal.entry.call_back_promised = True
        await self._save()

    async def _await_end_of_take(self) -> None:
        """Without the driver's word the entry stays open and the importer takes the sound."""
        deadline_s = self._now() + 2.0
        with contextlib.suppress(Exception):
            while self._recording and (left_s := deadline_s - self._now()) > 0:
                event = await self._call.next_event(left_s)
                if isinstance(event, RecordingStopped):
                    self._take_ended()
                if event is None:
                    break


def build(settings: Settings) -> ConversationFactory:
    """What the telephony process needs to answer calls; renders prompts that are missing."""

    def tell(done: int, total: int, prompt_id: str) -> None:
        log.debug("preparing prompts", done=done, total=total, prompt=prompt_id)

    return ConversationFactory(
        settings, Sealer.from_settings(settings), prompts.prepare(settings, tell)
    )
