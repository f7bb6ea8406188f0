"""News for open pages, by Server-Sent Events.

Only the kind of news travels ("report.changed"), never an id: what a page may see it fetches
again, and that fetch is checked like any other. Kinds wait in a set per page, so a slow browser
costs no memory and a burst becomes one message.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

KEEP_ALIVE_S = 15.0
GATHER_S = 0.15
LIFETIME_S = 600.0
"""An answer ends after this time; the browser asks again and its session is looked at anew."""
RETRY_MS = 2000


class Listener:
    """One open page. Its methods run in the event loop that made it."""

    def __init__(self, kinds: frozenset[str]) -> None:
        self.kinds = kinds
        self._loop = asyncio.get_running_loop()
        self._waiting: set[str] = set()
        self._wake = asyncio.Event()
        self._closed = False

    def tell(self, kind: str) -> None:
        """Note news; from any thread."""
        if not self.kinds or kind in self.kinds:
            self._call(self._note, kind)

    def close(self) -> None:
        """End the stream; from any thread."""
        self._call(self._end)

    def _call(self, function: Any, *arguments: str) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)

    def _note(self, kind: str) -> None:
        self._waiting.add(kind)
        self._wake.set()

    def _end(self) -> None:
        self._closed = True
        self._wake.set()

    async def messages(self) -> AsyncIterator[str]:
        """Text of the event stream until the lifetime is over or the hub closes."""
        ends_at = self._loop.time() + LIFETIME_S
        yield f"retry: {RETRY_MS}\nevent: hello\ndata: -\n\n"
        while self._loop.time() < ends_at:
            try:
                await asyncio.wait_for(self._wake.wait(), KEEP_ALIVE_S)
            except TimeoutError:
                yield ": still here\n\n"
                continue
            await asyncio.sleep(GATHER_S)
            self._wake.clear()
            if self._closed:
                break
            kinds, self._waiting = sorted(self._waiting), set()
            for kind in kinds:
                yield f"event: news\ndata: {kind}\n\n"


class Hub:
    """Hands news to all open pages of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: set[Listener] = set()
        self._closed = False

    def publish(self, kind: str) -> None:
        """Tell every page that listens for ``kind``; from any thread, never blocks."""
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener.tell(kind)

    @asynccontextmanager
    async def listen(self, kinds: frozenset[str]) -> AsyncIterator[Listener]:
        """A listener for ``kinds`` (all when empty) inside the block."""
        listener = Listener(kinds)
        with self._lock:
            self._listeners.add(listener)
            closed = self._closed
        if closed:
            listener.close()
        try:
            yield listener
        finally:
            with self._lock:
                self._listeners.discard(listener)

    @property
    def listening(self) -> int:
        """How many pages are open."""
        return len(self._listeners)

    def close(self) -> None:
        """End all streams, now and from now on, so that the server can stop."""
        with self._lock:
            self._closed = True
            listeners = list(self._listeners)
        for listener in listeners:
            listener.close()
