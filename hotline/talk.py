"""One call: carries the dialogue's actions out and brings it the events."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from hotline import dialogue, limits, noting
from hotline import steps as do
from hotline.ask import ask
from hotline.call import Call, HungUp, PlayEnded, RecordingStopped
from hotline.dialogue import Facts
from hotline.directory import Directory
from hotline.journal import Journal
from hotline.on_air import OnAir
from hotline.played import FileSound, LanguageOffer, OwnTake, Sound, VillageName, VillageNews
from hotline.prompt_texts import PAUSE, reference_sounds
from hotline.telling import Telling

if TYPE_CHECKING:
    from hotline.conversation import ConversationFactory

CALL_LIMIT_S = 2700.0
"""No road through the dialogue takes longer, apart from a talk with a person and the news of a
village; what does is ended."""
AFTER_TALK_S = 300.0
_WAITING_MUSIC = ("please_wait", *(PAUSE,) * 20) * 30
"""What is heard while a person is looked for: a sentence every ten seconds, longer than the search
takes."""
_ASKED_WITH = {
    "village_of": ("caller",),
    "status": ("caller", "call_id"),
    "not_satisfied": ("caller", "call_id"),
    "staff": ("caller",),
    "quiet": ("call_id",),
}
log = structlog.get_logger("hotline.conversation")


class Talk:
    """The life of one call, from the first word to the end of its journal."""

    def __init__(
        self, factory: ConversationFactory, call: Call, journal: Journal, telling: Telling
    ) -> None:
        self._factory = factory
        self._call = call
        self._journal = journal
        self._telling = telling
        self._now = factory.monotonic_s
        self._language = ""
        self._directory = Directory()
        self._token: int | None = None
        self._due_s = self._now()
        self._last_s = self._now() + CALL_LIMIT_S
        self._recording = False
        self._air = OnAir(factory.settings, call)

    async def run(self) -> None:
        """Lead the call to its end; what breaks in it is kept, then raised."""
        try:
            self._directory = await asyncio.to_thread(self._factory.directory.current)
            state, actions = dialogue.start(self._facts())
            while True:
                event = await self._carry_out(state, actions) or await self._next()
                if state.ended:
                    return
                secret = state.secret
                state, actions = dialogue.advance(state, event)
                self._journal.note(state.state, do.told(event, secret=secret))
        except BaseException as error:
            await asyncio.shield(self._break_off(error))
            raise

    def _facts(self) -> Facts:
        return Facts(
            number_known=bool(self._call.caller),
            called=self._call.called,
            streams=self._call.streams,
            languages=self._factory.prompts.languages,
            directory=self._directory,
        )

    async def _next(self) -> do.Event:
        while True:
            if self._now() >= self._last_s:
                self._last_s = self._now() + CALL_LIMIT_S
                await self._call.hang_up("limit")
                return HungUp("limit")
            left_s = max(0.0, min(self._due_s, self._last_s) - self._now())
            event = await self._air.next_event(left_s)
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
        self._air.heed(actions)
        if do.Hush() in actions:
            self._call.stop_playing()
            self._token = None
        wording = self._factory.prompts.consent_version(self._language)
        for action in actions:
            noting.note(self._journal, action, wording)
        if begins := _begins_at_once(actions):
            self._record(begins)
        stored = not actions or await self._save()
        if not stored and any(isinstance(action, do.Consent) for action in actions):
            self._journal.withdraw_consent()
            return do.NotStored()
        answer: do.Event | None = None
        for action in actions:
            if action is not begins:
                answer = await self._answer(action) or answer
        if state.ended:
            return do.TimedOut()
        return answer

    async def _answer(self, action: do.Action) -> do.Event | None:
        """Carry out what somebody answers; anything else has no answer."""
        match action:
            case do.BindReference():
                return await self._bind()
            case do.AskOffice(question, details):
                return await self._ask(question, details)
            case do.Connect(village):
                return await self._connect(village)
            case do.GoLive():
                return await self._air.open(action)
        await self._act(action)
        return None

    async def _act(self, action: do.Action) -> None:
        match action:
            case do.Answer():
                await self._call.answer()
                self._journal.answered()
            case do.UseLanguage(language):
                self._language = language
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
            case do.Urgent(_, village):
                self._ring_duty(village)
            case do.Record():
                self._record(action)
            case do.StopRecording():
                self._call.stop_recording()
            case do.End(cause):
                self._air.close("hung_up")
                await self._call.hang_up(cause)

    def _record(self, take: do.Record) -> None:
        self._recording = True
        path = self._journal.take_path(take.take)
        if self._journal.entry.kind != "studio":
            self._telling.begin(path, [] if take.anew else self._journal.spoken_takes())
        self._call.record(
            path, limit_s=take.limit_s, silence_s=take.silence_s, keep_heard=take.keep_heard
        )

    def _take_ended(self) -> None:
        self._recording = False
        self._telling.done()

    def _say(self, sounds: tuple[Sound, ...]) -> None:
        for sound in sounds:
            if isinstance(sound, VillageNews):
                self._let_hear(self._directory.villages[sound.code].news)
        self._token = self._call.play([path for sound in sounds for path in self._paths(sound)])

    def _let_hear(self, news: tuple[str, ...]) -> None:
        """Nobody is cut off in the middle of the news, which may be longer than other calls."""
        news_s = limits.NEWS_SOUND_LIMIT_S * len(news)
        self._last_s = max(self._last_s, self._now() + news_s + AFTER_TALK_S)

    def _paths(self, sound: Sound) -> list[Path]:
        match sound:
            case str(prompt_id):
                return self._factory.prompts.sounds((prompt_id,), self._language)
            case VillageName(code):
                return self._in_directory((self._directory.villages[code].sound,))
            case VillageNews(code):
                return self._in_directory(self._directory.villages[code].news)
            case OwnTake(number):
                return [self._journal.take_path(number)]
            case FileSound(path):
                return [Path(path)]
            case LanguageOffer(language):
                return self._factory.prompts.offer(language)

    def _in_directory(self, names: Iterable[str | None]) -> list[Path]:
        return [self._factory.directory.sound(name) for name in names if name is not None]

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

    async def _ask(self, question: str, details: dict[str, object]) -> do.Answered:
        known = {"caller": self._call.caller, "call_id": self._journal.entry.call_id}
        asked: dict[str, Any] = {**details, **{name: known[name] for name in _ASKED_WITH[question]}}
        return do.Answered(await ask(self._factory.settings, question, **asked))

    def _ring_duty(self, village: str | None) -> None:
        entry = self._journal.entry
        try:
            self._factory.outgoing.ring_duty(
                entry.call_id,
                caller=self._call.caller,
                village_code=village,
                reference_no=entry.reference_no,
            )
        except Exception as error:  # the report goes on whatever becomes of the ringing
            log.error("the duty phone does not ring", call_id=entry.call_id, error=repr(error))

    async def _connect(self, village: str | None) -> do.Connected:
        self._call.play(self._factory.prompts.sounds(_WAITING_MUSIC, self._language))
        self._token = None
        try:
            async with asyncio.timeout(limits.HUMAN_LIMIT_S):
                result = await self._factory.outgoing.find_human(self._call, village_code=village)
        except Exception as error:
            log.error("nobody was found", call_id=self._call.call_id, error=repr(error))
            result = "nobody"
        self._call.stop_playing()
        self._last_s = max(self._last_s, self._now() + AFTER_TALK_S)
        return do.Connected(result)

    async def _break_off(self, error: BaseException) -> None:
        """Something broke, or the process is told to stop: keep what was said, then go."""
        cause = "stopped" if isinstance(error, asyncio.CancelledError) else "error"
        self._air.close("server")
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


def _begins_at_once(actions: Iterable[do.Action]) -> do.Record | None:
    """The take that need not wait for the disk, so that the first word after the beep is in it.

    One that begins with the consent itself waits until that is written down.
    """
    takes = [action for action in actions if isinstance(action, do.Record)]
    consents = any(isinstance(action, do.Consent) for action in actions)
    return takes[0] if takes and not consents else None
