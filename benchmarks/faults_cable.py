"""The road between players and server, as a piece of software that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Sequence
from typing import Any


class Cable:
    """Forwards local ports to the server's; while cut, nothing answers and nothing goes through."""

    def __init__(self, targets: Sequence[int]) -> None:
        self._targets = list(targets)
        self.ports: list[int] = []
        self.is_cut = False
        self._lines: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="cable", daemon=True)
        self._thread.start()
        self._call(self._open())

    def cut(self) -> None:
        """Drop every connection; new ones are dropped as they come."""
        self.is_cut = True
        self._call(self._drop())

    def mend(self) -> None:
        """Let everything through again."""
        self.is_cut = False

    def close(self) -> None:
        """For good."""
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _open(self) -> None:
        for target in self._targets:

            async def joined(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: int = target
            ) -> None:
                await self._join(reader, writer, target)

            server = await asyncio.start_server(joined, "127.0.0.1", 0)
            self.ports.append(server.sockets[0].getsockname()[1])

    async def _drop(self) -> None:
        for writer in list(self._lines):
            writer.transport.abort()

    async def _join(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: int
    ) -> None:
        self._lines.add(writer)
        try:
            if self.is_cut:
                return
            there, other = await asyncio.open_connection("127.0.0.1", target)
            self._lines.add(other)
            try:
                await asyncio.gather(_pump(reader, other), _pump(there, writer))
            finally:
                self._lines.discard(other)
                other.transport.abort()
        except OSError:
            return  # nobody listens at the other end: to the player it looks the same
        finally:
            self._lines.discard(writer)
            writer.transport.abort()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await source.read(1 << 16):
            sink.write(piece)
            await sink.drain()
    with contextlib.suppress(OSError, RuntimeError):
        sink.close()
