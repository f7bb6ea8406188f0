"""A few places for what is large and slow: nobody holds more than one, nobody waits for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.errors import N_, Unavailable


class Slots:
    """``at_once`` places in all, one for each address. Belongs to one event loop."""

    def __init__(self, at_once: int, wait_s: float) -> None:
        self._all = asyncio.Semaphore(at_once)
        self._wait_s = wait_s
        self._of: dict[str, asyncio.Semaphore] = {}
        self._asking: dict[str, int] = {}

    @asynccontextmanager
    async def hold(self, address: str) -> AsyncIterator[None]:
        """Hold a place; raises Unavailable when none comes free in time."""
        own = self._of.setdefault(address, asyncio.Semaphore(1))
        self._asking[address] = self._asking.get(address, 0) + 1
        try:
            await self._take(own)
            try:
                yield
            finally:
                self._all.release()
                own.release()
        finally:
            self._asking[address] -= 1
            if not self._asking[address]:
                del self._asking[address], self._of[address]

    async def _take(self, own: asyncio.Semaphore) -> None:
        try:
            async with asyncio.timeout(self._wait_s):
                await own.acquire()
                try:
                    await self._all.acquire()
                except BaseException:
                    own.release()
                    raise
        except TimeoutError:
            raise Unavailable(
                N_("Too many large deliveries come in at this moment. Send it again in a while.")
            ) from None
