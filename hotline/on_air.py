"""A call that is heard in villages: joins the call's sound and events with the live line."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from core.settings import Settings
from hotline import live_line
from hotline.call import Call, CallEvent
from hotline.live_line import LiveLine
from hotline.live_steps import EndLive, GoLive, LetThrough, LiveTold
from hotline.steps import Action, Answered


class OnAir:
    """At most one address at a time; without one it is transparent."""

    def __init__(self, settings: Settings, call: Call) -> None:
        self._settings = settings
        self._call = call
        self._line: LiveLine | None = None

    async def open(self, asked: GoLive) -> Answered:
        """Call the villages; see ``GoLive`` for the answer."""
        self.close("connection")
        self._line, told = await live_line.call(self._settings, asked)
        if self._line is not None:
            return Answered({"ok": True, "opened": True})
        return Answered(None if told is None else {"ok": True, **told})

    def heed(self, actions: Iterable[Action]) -> None:
        """Let sound through or end it, whichever is among ``actions``. Waits for nothing."""
        for action in actions:
            match action:
                case LetThrough() if self._line is not None:
                    self._call.hand_out(self._line.say)
                case EndLive(cause):
                    self._end(cause)

    def _end(self, cause: str) -> None:
        """Nothing more goes out; what the other end tells of it still comes in."""
        if self._line is not None:
            self._call.hand_out(None)
            self._line.end(cause)

    def close(self, cause: str) -> None:
        """End it, whatever state it is in, and let go of the line."""
        if self._line is not None:
            self._end(cause)
            self._line.close()
            self._line = None

    async def next_event(self, timeout_s: float) -> CallEvent | LiveTold | None:
        """What the call or the line tells next; None when ``timeout_s`` ran out first."""
        line = self._line
        if line is None:
            return await self._call.next_event(timeout_s)
        if (told := line.next_told()) is not None:
            return told
        called = asyncio.ensure_future(self._call.next_event(timeout_s))
        arrived = asyncio.ensure_future(line.arrived.wait())
        try:
            await asyncio.wait({called, arrived}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            arrived.cancel()
            # Cancelled while it waits, it leaves in the call's queue what arrives there meanwhile.
            called.cancel()
            await asyncio.wait({called})
        event = None if called.cancelled() else called.result()
        return event or line.next_told()
