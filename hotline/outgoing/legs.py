"""What is done with calls we made: say, ask for a key, hold, join, watch. No files, no rules."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from hotline.call import Call, HungUp, Key, PlayEnded
from hotline.outgoing.contract import JoinedByASwitch

SAY_LIMIT_S = 15.0
ASK_TIMES = 3
ASK_PAUSE_S = 3.0
WATCH_S = 60.0
JOIN_WITHIN_S = 10.0
"""Two people who hear nothing do not wait longer than that for a switch."""
T = TypeVar("T")


async def say(call: Call, sounds: Sequence[Path]) -> bool:
    """Play to the end; False when the call was over before."""
    token = call.play(sounds)
    until_s = time.monotonic() + SAY_LIMIT_S
    while (left_s := until_s - time.monotonic()) > 0:
        event = await call.next_event(left_s)
        if isinstance(event, HungUp):
            return False
        if event is None or event == PlayEnded(token):
            return True
    return True


async def ask_key(
    call: Call, sounds: Sequence[Path], keys: str, *, within_s: float
) -> str | Literal["gone"] | None:
    """Say it, up to three times, until one of ``keys`` is pressed; None when none was."""
    until_s = time.monotonic() + within_s
    said, token, pausing = 1, call.play(sounds), False
    while (left_s := until_s - time.monotonic()) > 0:
        event = await call.next_event(min(left_s, ASK_PAUSE_S) if pausing else left_s)
        if isinstance(event, HungUp):
            return "gone"
        if isinstance(event, Key) and event.digit in keys:
            call.stop_playing()
            return event.digit
        if event == PlayEnded(token):
            pausing = True
        elif event is None:
            if not pausing or said >= ASK_TIMES:
                break
            said, token, pausing = said + 1, call.play(sounds), False
    call.stop_playing()
    return None


async def hold(
    call: Call, sounds: Sequence[Path] = (), *, until_key: str = "", key_within_s: float = 0.0
) -> str | None:
    """Let the call hear ``sounds`` again and again until it is over, or that key is pressed.

    The key is heeded for ``key_within_s``, then no longer.
    """
    token = call.play(sounds) if sounds else None
    heeded_until_s = time.monotonic() + key_within_s
    while True:
        event = await call.next_event(WATCH_S)
        if isinstance(event, HungUp):
            return None
        is_key = isinstance(event, Key) and event.digit == until_key
        if is_key and time.monotonic() < heeded_until_s:
            return until_key
        if token is not None and event == PlayEnded(token):
            token = call.play(sounds)


async def while_there(
    waiting: Call, work: Coroutine[Any, Any, T], sounds: Sequence[Path] = ()
) -> T | Literal["gone"]:
    """Do ``work`` as long as ``waiting`` holds the line; cancels it and says "gone" else."""
    working = asyncio.create_task(work)
    watching = asyncio.create_task(hold(waiting, sounds))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
            return "gone"
        return working.result()
    finally:
        await _put_down(working, watching)
        if sounds:
            waiting.stop_playing()


async def join(first: Call, second: Call) -> bool:
    """Join them; False when the switch did not, or did not say so in time."""
    first.join(second)
    if not isinstance(first, JoinedByASwitch):
        return True
    try:
        async with asyncio.timeout(JOIN_WITHIN_S):
            return await first.join_succeeded()
    except TimeoutError:
        return False


async def until_one_leaves(
    first: Call, second: Call, *, limit_s: float, key_of_first: str = "", key_within_s: float = 0.0
) -> Call | str | None:
    """Watch two joined calls; the one that hung up first, or None when the time was over.

    When both did at the same moment it is ``first``. ``key_of_first`` ends the talk as well, when
    it is pressed soon enough, and is returned.
    """
    holding = hold(first, until_key=key_of_first, key_within_s=key_within_s)
    watchers = {
        asyncio.create_task(holding): first,
        asyncio.create_task(hold(second)): second,
    }
    try:
        done, _ = await asyncio.wait(watchers, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        left = [task.result() or call for task, call in watchers.items() if task in done]
        return left[0] if left else None
    finally:
        await _put_down(*watchers)


async def _put_down(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
