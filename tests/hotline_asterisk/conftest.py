"""A fake Asterisk, and our telephony over it in a thread with its own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.settings import Settings
from hotline.asterisk.telephony import AsteriskTelephony
from hotline.call import Call
from tests.hotline_asterisk.fake_asterisk import PASSWORD, USER, FakeAsterisk, until

Talk = Callable[[Call], Awaitable[None]]


class Telephony:
    """``AsteriskTelephony`` at work; ``talk`` leads each call."""

    def __init__(self, settings: Settings, sounds: list[Path]) -> None:
        self.talk: Talk = _listen_only
        self.sounds = sounds
        self.calls: list[Call] = []
        self.refused: list[tuple[str, str]] = []
        self._loop = asyncio.new_event_loop()
        self._settings = settings
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    async def converse(self, call: Call) -> None:
        self.calls.append(call)
        await self.talk(call)

    def prompt_paths(self) -> list[Path]:
        return self.sounds

    def turned_away(self, caller: str, called: str) -> None:
        self.refused.append((caller, called))

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self.subject = AsteriskTelephony(self._settings, self)
        self._task = self._loop.create_task(self.subject.run(self._ready.set))
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def start(self, asterisk: FakeAsterisk) -> None:
        self._thread.start()
        assert self._ready.wait(30)
        until(lambda: asterisk._lines)

    def stop(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(timeout=10)
        assert not self._thread.is_alive()

    def ask(self, work: Awaitable[Any]) -> Any:
        """Run something on telephony's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(_awaited(work), self._loop).result(15)


async def _awaited(work: Awaitable[Any]) -> Any:
    return await work


async def _listen_only(call: Call) -> None:
    await call.answer()
    while await call.next_event(20) is not None:
        pass


@pytest.fixture
def asterisk(tmp_path: Path) -> Iterator[FakeAsterisk]:
    """A fake Asterisk that runs."""
    made = FakeAsterisk(tmp_path / "asterisk-recordings")
    yield made
    made.stop()


@pytest.fixture
def ari_config(config: Settings, asterisk: FakeAsterisk, tmp_path: Path) -> Settings:
    """Settings that lead to it; prompts go to a folder that it sees as /sounds."""
    config.ari_url = asterisk.start()
    config.ari_user, config.ari_password = USER, PASSWORD
    config.telephony = "asterisk"
    config.ari_sounds, config.ari_sounds_there = tmp_path / "sounds", "/sounds"
    return config
