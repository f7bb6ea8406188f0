"""A call that Asterisk holds, as the dialogue sees it: the verbs of ``hotline.call.Call``.

Orders go out one after the other, beside the dialogue, which never waits for HTTP. Two things
differ from our own endpoint: talk detection listens without keeping anything, so the first words
of somebody who consents by speaking are not in the take; and Asterisk, not we, measures silence.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import structlog

from hotline.asterisk import taking
from hotline.asterisk.client import Ari, ChannelGone, Trouble
from hotline.asterisk.shelf import Shelf
from hotline.asterisk.taking import Taking
from hotline.call import Call, CallEvent, HungUp, Key, OnSound, PlayEnded, SpeechHeard, StopReason
from hotline.journal import OVER_ASTERISK

log = structlog.get_logger(__name__)

SOUNDS_AT_ONCE = 16
"""Asterisk refuses long bodies; longer announcements are queued in parts."""
TAKE_END_S = 10.0
"""How long a recording may take to be told as over once it was stopped."""


class AsteriskCall:
    """One channel. ``recordings``: folder of Asterisk's that we can read, or None.

    ``left_sound``: not all of it could be fetched. ``stays``: Asterisk did not end it.
    """

    streams = False
    """ARI hands no sound out while it is spoken (but to a media server of its own)."""

    def __init__(
        self, ari: Ari, shelf: Shelf, channel: str, caller: str, called: str,
        *, recordings: Path | None,
    ) -> None:  # fmt: skip
        self.channel = channel
        self.call_id = OVER_ASTERISK + re.sub(r"[^A-Za-z0-9]", "-", channel)[:40]
        self.caller, self.called = caller, called
        self.cause = self._token = 0
        self.left_sound = self.stays = False
        self._ari, self._shelf, self._recordings = ari, shelf, recordings
        self._events: asyncio.Queue[CallEvent] = asyncio.Queue()
        self._orders: asyncio.Queue[Callable[[], Awaitable[None]]] = asyncio.Queue()
        self._playing: dict[str, int] = {}
        self._last_of: dict[int, str] = {}
        self._taking: Taking | None = None
        self._take_over: asyncio.Future[str] | None = None
        self._finishing: asyncio.Task[None] | None = None
        self._speech_told = True
        self._shelved: set[Path] = set()
        self._bridge = ""
        self._joining: asyncio.Future[bool] | None = None
        self._over = asyncio.Event()
        self._closing: asyncio.Task[None] | None = None
        self._worker = asyncio.create_task(self._work(), name=f"orders {channel}")

    # What Asterisk tells

    def pressed(self, digit: str) -> None:
        self._events.put_nowait(Key(digit))

    def talking(self) -> None:
        if not self._speech_told:
            self._speech_told = True
            self._events.put_nowait(SpeechHeard())

    def played(self, playback: str) -> None:
        token = self._playing.pop(playback, None)
        if token is not None and self._last_of.get(token) == playback:
            del self._last_of[token]
            self._events.put_nowait(PlayEnded(token))

    def recorded(self, name: str, failed: str) -> None:
        over = self._take_over
        if over is not None and not over.done() and self._taking and self._taking.name == name:
            over.set_result(failed)

    def gone(self, cause: str) -> None:
        """The channel is over: the take is fetched first, then HungUp is told."""
        if self._closing is None:
            if self._taking is not None:
                self._taking.stopping("network" if cause == "network" else "hangup")
            self._closing = asyncio.create_task(self._close(cause))

    async def _close(self, cause: str) -> None:
        await self._take_finished()
        self._worker.cancel()
        _tell(self._joining, False)
        for sound in self._shelved:
            self._shelf.take_away(sound)
        if self._bridge:
            with contextlib.suppress(ChannelGone, Trouble):
                await self._ari.order("DELETE", "bridges", self._bridge)
        self._events.put_nowait(HungUp(cause))
        self._over.set()

    # What the dialogue asks for

    async def answer(self) -> None:
        if not await self._carried_out("POST", "answer"):
            self.gone("cancel")

    async def _carried_out(self, method: str, *what: str) -> bool:
        try:
            await self._ari.order(method, *self._path(*what))
        except ChannelGone:
            return False
        except Trouble:
            self.stays = True
            return False
        return True

    async def next_event(self, timeout_s: float | None) -> CallEvent | None:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._events.get()
        except TimeoutError:
            return None

    def play(self, sounds: Sequence[Path]) -> int:
        self._token += 1
        token, queued = self._token, list(sounds)
        parts = [queued[i : i + SOUNDS_AT_ONCE] for i in range(0, len(queued), SOUNDS_AT_ONCE)]
        names = [f"{self.call_id}-{token}-{number}" for number in range(len(parts))]
        if not names:
            self._events.put_nowait(PlayEnded(token))
            return token
        self._last_of[token] = names[-1]
        self._playing |= dict.fromkeys(names, token)
        self._shelved.update(sound for sound in queued if sound.suffix == ".pcm")
        for name, part in zip(names, parts, strict=True):
            self._order(partial(self._play, name, part))
        return token

    async def _play(self, name: str, part: list[Path]) -> None:
        if name not in self._playing:
            return  # silenced before it began
        try:
            media = await asyncio.to_thread(lambda: [self._shelf.uri(sound) for sound in part])
            await self._ari.order("POST", *self._path("play", name), body={"media": media})
        except (ChannelGone, Trouble, OSError) as error:
            log.warning("a sound cannot be played", call_id=self.call_id, why=str(error)[:200])
            self.played(name)

    def stop_playing(self) -> None:
        names = list(reversed(self._playing))
        self._playing.clear()
        self._last_of.clear()
        for name in names:  # the last first: else the next would begin
            self._order(partial(self._quietly, "DELETE", "playbacks", name))

    def listen(self) -> None:
        self._detect_speech()

    def forget(self) -> None:
        self._detect_speech(False)

    def _detect_speech(self, wanted: bool = True) -> None:
        self._speech_told = not wanted
        asking = {"variable": f"TALK_DETECT({'set' if wanted else 'remove'})", "value": ""}
        self._order(partial(self._quietly, "POST", *self._path("variable"), **asking))

    def record(
        self, take: Path, *, limit_s: float, silence_s: float, keep_heard: bool = False
    ) -> None:
        if self._taking is not None:
            raise RuntimeError("a take is running; stop it first")
        name = taking.name_of(self.call_id, take)
        self._taking = Taking(self._ari, name, take, limit_s=limit_s, recordings=self._recordings)
        self._take_over = asyncio.get_running_loop().create_future()
        self._detect_speech()
        asking: dict[str, str | int] = {
            "name": name, "format": "wav", "ifExists": "fail", "terminateOn": "none",
            "maxDurationSeconds": math.ceil(limit_s), "maxSilenceSeconds": math.ceil(silence_s),
        }  # fmt: skip
        self._order(lambda: self._record(name, asking))
        self._finishing = asyncio.create_task(self._await_take(self._taking, self._take_over))
        if self._closing is not None:
            self.stop_recording()

    async def _record(self, name: str, asking: dict[str, str | int]) -> None:
        try:
            await self._ari.order("POST", *self._path("record"), params=asking)
        except (ChannelGone, Trouble) as error:
            self.recorded(name, str(error))

    def stop_recording(self) -> None:
        self._stop_take("stopped")

    def _stop_take(self, reason: StopReason) -> None:
        if self._taking is None:
            return
        self._taking.stopping(reason)
        name = self._taking.name
        self._order(lambda: self._quietly("POST", "recordings", "live", name, "stop"))

    async def _await_take(self, taken: Taking, over: asyncio.Future[str]) -> None:
        failed = await over
        stopped = await taken.finish(failed)
        self.left_sound |= taken.is_left
        if self._taking is taken:
            self._taking = self._take_over = None
        self._events.put_nowait(stopped)

    async def _take_finished(self) -> None:
        """Wait for the end of the take that runs; fetch it anyway when nobody tells the end."""
        over = self._take_over
        if over is None:
            return
        with contextlib.suppress(ChannelGone, Trouble):
            if self._taking is not None:
                await self._ari.order("POST", "recordings", "live", self._taking.name, "stop")
        await asyncio.wait([over], timeout=TAKE_END_S)
        if not over.done():
            over.set_result("")
        if self._finishing is not None:
            await asyncio.shield(self._finishing)

    async def hang_up(self, cause: str) -> None:
        if self._closing is None:
            if self._taking is not None:
                self._taking.stopping("stopped")
            await self._take_finished()
            await self._carried_out("DELETE")
            self.gone(cause)
        await self._over.wait()

    async def over(self) -> None:
        """Wait until the call has ended and its sound is safe."""
        await self._over.wait()

    def hand_out(self, on_sound: OnSound | None) -> None:
        if on_sound is not None:
            raise RuntimeError("this line carries no live address; ask for ``streams`` first")

    def join(self, other: Call) -> None:
        if not isinstance(other, AsteriskCall):
            raise TypeError("only calls of one Asterisk can be joined")
        self.stop_playing()
        other.stop_playing()
        bridge = self._bridge = other._bridge = f"{taking.PREFIX}{self.call_id}"
        joining = self._joining = asyncio.get_running_loop().create_future()
        if self._closing is not None:
            joining.set_result(False)
        self._order(lambda: self._join(bridge, other.channel, joining))

    async def _join(self, bridge: str, other: str, joining: asyncio.Future[bool]) -> None:
        try:
            await self._ari.order("POST", "bridges", params={"type": "mixing", "bridgeId": bridge})
            both = {"channel": f"{self.channel},{other}"}
            await self._ari.order("POST", "bridges", bridge, "addChannel", params=both)
        except (ChannelGone, Trouble) as error:
            log.warning("calls were not joined", call_id=self.call_id, why=str(error)[:200])
            _tell(joining, False)
        _tell(joining, True)

    async def join_succeeded(self) -> bool:
        """Whether Asterisk carried out the last ``join``; waits until it has answered."""
        return self._joining is not None and await asyncio.shield(self._joining)

    def part(self) -> None:
        bridge, self._bridge = self._bridge, ""
        if bridge:
            self._order(lambda: self._quietly("DELETE", "bridges", bridge))

    def _order(self, order: Callable[[], Awaitable[None]]) -> None:
        self._orders.put_nowait(order)

    async def _work(self) -> None:
        while True:
            order = await self._orders.get()
            try:
                await order()
            except (ChannelGone, Trouble) as error:
                log.warning("an order failed", call_id=self.call_id, why=str(error)[:200])

    def _path(self, *what: str) -> tuple[str, ...]:
        return ("channels", self.channel, *what)

    async def _quietly(self, method: str, *path: str, **params: str | int) -> None:
        with contextlib.suppress(ChannelGone):
            await self._ari.order(method, *path, params=params or None)


def _tell(answer: asyncio.Future[bool] | None, value: bool) -> None:
    """Only the first answer counts."""
    if answer is not None and not answer.done():
        answer.set_result(value)
