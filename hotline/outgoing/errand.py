"""One order while it is carried out: its outcome on disk, the calls it opened."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Literal

import structlog

from core.sealed import mask_number
from hotline.call import Call, Driver
from hotline.outgoing import legs
from hotline.outgoing.contract import NOT_THROUGH, Attempt, Leg, Outcome, Result
from hotline.outgoing.outcomes import Ledger, as_json, now_text

RING_S = 25.0
RING_GRACE_S = 3.0
KEY_WITHIN_S = 25.0
"""With the ringing less than 60 s: the next person is rung within that time."""
TALK_LIMIT_S = 3600.0
MACHINE_KEY = "9"
MACHINE_KEY_WITHIN_S = 60.0
"""A machine is known by then; later the key is a slip that must not end and undo a talk."""
log = structlog.get_logger("hotline.outgoing")


class Errand:
    """Rings, asks, joins and writes down. ``run`` it with a flow; it never raises but for
    cancellation, and no call it opened outlives it."""

    def __init__(
        self,
        outcome: Outcome,
        ledger: Ledger,
        driver: Driver,
        *,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.outcome = outcome
        self._ledger = ledger
        self._driver = driver
        self._on_change = on_change
        self._open: dict[int, tuple[Call, Attempt]] = {}
        self._writing = threading.Lock()
        self._newest = self._written = 0

    async def save(self) -> bool:
        """False when the disk refuses; then nobody learns more than the log."""
        self._newest += 1
        try:
            await asyncio.to_thread(self._write, self._newest, as_json(self.outcome))
        except OSError as error:
            log.error("an outcome was not written", id=self.outcome.order_id, error=str(error))
            return False
        self._on_change()
        return True

    def _write(self, number: int, text: str) -> None:
        """In a thread that a cancelled task no longer waits for: the next may come meanwhile."""
        with self._writing:
            if number > self._written:
                self._ledger.write(self.outcome.order_id, text)
                self._written = number

    async def ring(self, leg: Leg) -> Call | None:
        """Ring until it answers; the attempt tells why it did not."""
        before = self.last_attempt(leg)
        attempt = Attempt(leg.who, mask_number(leg.number), now_text())
        self.outcome.attempts.append(attempt)
        try:
            await self.save()
            async with asyncio.timeout(RING_S + RING_GRACE_S):
                answer = await self._driver.dial(leg.number, ring_s=RING_S)
        except TimeoutError:
            answer = "no_answer"
        except asyncio.CancelledError:
            attempt.cause, attempt.ended_at = "cancelled", now_text()
            raise
        if isinstance(answer, str):
            attempt.cause, attempt.ended_at = answer, now_text()
            if before is not None and before.cause == answer and answer in NOT_THROUGH:
                before.ended_at = attempt.ended_at  # a line busy for minutes is one attempt
                self.outcome.attempts.pop()
            await self.save()
            return None
        attempt.answered_at, attempt.cause = now_text(), "answered"
        self._open[id(answer)] = answer, attempt
        await self.save()
        return answer

    def last_attempt(self, leg: Leg) -> Attempt | None:
        return next((one for one in reversed(self.outcome.attempts) if one.who == leg.who), None)

    async def ring_and_ask(
        self, leg: Leg, sounds: Sequence[Path], keys: str
    ) -> tuple[Call, str] | None:
        """Ring and ask for one of ``keys``: whoever presses none is a machine, or unwilling."""
        call = await self.ring(leg)
        if call is None:
            return None
        key = await legs.ask_key(call, sounds, keys, within_s=KEY_WITHIN_S)
        if key is not None and key != "gone":
            return call, key
        self._open[id(call)][1].cause = "declined"
        await self.hang_up(call, "declined")
        return None

    async def ring_and_say(self, leg: Leg, sounds: Sequence[Path]) -> Call | None:
        """Ring and announce what this call is; None when it did not stay to the end of that."""
        call = await self.ring(leg)
        if call is not None and not await legs.say(call, sounds):
            self._open[id(call)][1].cause = "declined"
            await self.hang_up(call, "gone")
            return None
        return call

    async def talk(self, first: Call, second: Call) -> Call | Literal["unjoined"] | None:
        """Join them until one leaves; who that was, or None when the longest time was over.

        "unjoined": they never heard each other; the attempt of ``second`` tells so.
        """
        left = await self._talk(first, second)
        return None if left == "key" else left

    async def talk_unless_machine(
        self, staff: Call, resident: Call
    ) -> Call | Literal["machine", "unjoined"] | None:
        """Like ``talk``; "machine" when who works here soon said so by key 9. Then nobody spoke."""
        left = await self._talk(staff, resident, key_of_first=MACHINE_KEY)
        if left != "key":
            return left
        self.outcome.joined_at, self.outcome.talked_ms = None, 0
        self._open[id(resident)][1].cause = "machine"
        return "machine"

    async def _talk(
        self, first: Call, second: Call, *, key_of_first: str = ""
    ) -> Call | Literal["key", "unjoined"] | None:
        begun_s = None
        try:
            if not await legs.join(first, second):
                self._open[id(second)][1].cause = "unjoined"
                return "unjoined"
            self.outcome.joined_at = now_text()
            begun_s = time.monotonic()
            await self.save()
            left = await legs.until_one_leaves(
                first,
                second,
                limit_s=TALK_LIMIT_S,
                key_of_first=key_of_first,
                key_within_s=MACHINE_KEY_WITHIN_S,
            )
            return "key" if isinstance(left, str) else left
        finally:
            if begun_s is not None:
                self.outcome.talked_ms = round((time.monotonic() - begun_s) * 1000)
            first.part()

    async def part_kindly(self, left: Call | None, calls: Sequence[Call], bye: list[Path]) -> None:
        """Say goodbye to those of ``calls`` that did not leave, and hang up."""
        for call in calls:
            if call is not left:
                await legs.say(call, bye)
            await self.hang_up(call, "done")

    async def hang_up(self, call: Call, cause: str) -> None:
        _, attempt = self._open.pop(id(call), (call, None))
        if attempt is not None:
            attempt.ended_at = now_text()
        with contextlib.suppress(Exception):
            await call.hang_up(cause)

    def all_attempts_failed_for(self, cause: str) -> bool:
        attempts = self.outcome.attempts
        return bool(attempts) and all(attempt.cause == cause for attempt in attempts)

    def unanswered(self) -> Result:
        """What it comes to when nobody was reached."""
        return "no_trunk" if self.all_attempts_failed_for("no_trunk") else "nobody"

    async def close(self, result: Result) -> None:
        """Hang up what is open and write the result; to be awaited even when cancelled."""
        for call, _ in list(self._open.values()):
            await self.hang_up(call, "done")
        self.outcome.result = result
        self.outcome.ended_at = now_text()
        await self.save()
        log.info(
            "outgoing",
            id=self.outcome.order_id,
            kind=self.outcome.kind,
            result=result,
            attempts=[(one.who, one.cause) for one in self.outcome.attempts],
            talked_ms=self.outcome.talked_ms,
        )


async def run(errand: Errand, flow: Callable[[Errand], Awaitable[Result]]) -> Result:
    """Carry out ``flow`` and write what came of it; "killed" when it broke or was cancelled."""
    result: Result = "killed"
    try:
        result = await flow(errand)
    except Exception as error:
        log.exception("an order failed", id=errand.outcome.order_id, error=repr(error))
    finally:
        await asyncio.shield(errand.close(result))
    return result
