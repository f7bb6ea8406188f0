"""Telephony's side of the calls we make: takes orders, finds people, rings the duty phones.

No digit a caller presses chooses a number: numbers come from orders, from the directory, and for
key 2 of a duty ring from the call that pressed 5.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import structlog
from cryptography.exceptions import InvalidTag

from core import bell, phone_numbers
from core.clock import utc_now
from core.sealed import Sealer
from core.settings import Settings
from hotline import directory
from hotline.call import Call, Driver
from hotline.journal import folder_name, locked, spool_of
from hotline.outgoing import door, duty, flows, numbers, who
from hotline.outgoing.callers import Callers
from hotline.outgoing.contract import Found, Kind, Leg, Outcome, Result
from hotline.outgoing.errand import Errand, run
from hotline.outgoing.outcomes import BELL, Ledger, is_order_id, now_text

BRIDGES_AT_ONCE = 20
DUTY_PER_HOUR = 600
"""Far above any true hour: one caller is held back long before, and a scam may hit a whole town."""
PHONES_AT_MOST = 20
Flow = Callable[[Errand], Awaitable[Result]]
log = structlog.get_logger("hotline.outgoing")


class OutgoingDesk:
    """Fulfils ``hotline.outgoing.contract.Outgoing``. One per telephony process."""

    def __init__(
        self,
        settings: Settings,
        sealer: Sealer,
        driver: Driver,
        prompts: flows.Spoken,
        *,
        pause: duty.Pause = asyncio.sleep,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._sealer = sealer
        self._driver = driver
        self._pause = pause
        self._monotonic_s = monotonic_s
        self._known = directory.Reader(settings)
        self._voice = flows.Voice(prompts, self._known)
        self._ledger = Ledger(settings)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._bridges: set[str] = set()
        self._callers = Callers()
        self._rung_for: deque[str] = deque(maxlen=1000)
        self._calls_of: dict[str, list[str]] = {}
        """Who asked for the duty phones that ring now -> that caller's calls."""

    async def run(self) -> None:
        """Bury what a dead process left, then take orders until cancelled; ends all errands."""
        try:
            await asyncio.to_thread(self._ledger.bury)
        except OSError as error:
            log.error("unfinished outcomes stay as they are", error=str(error))
        try:
            await door.serve(self._settings, self.take_order)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def take_order(self, order: dict[str, Any]) -> dict[str, Any]:
        """Answer one order and begin to carry it out. Never raises."""
        try:
            order_id, [staff, resident] = str(order["order_id"]), map(_leg, order["legs"])
            expires_at = datetime.fromisoformat(order["expires_at"])
            if not is_order_id(order_id) or expires_at.tzinfo is None:
                return door.refused("not understood")
        except (KeyError, TypeError, ValueError):
            return door.refused("not understood")
        if not numbers.is_dialable(staff.number, self._settings):
            return door.refused("not understood")
        if not numbers.may_call_back(resident.number, self._settings):
            return door.refused("not understood")
        return await self._begin_bridge(order_id, staff, resident, expires_at)

    async def _begin_bridge(
        self, order_id: str, staff: Leg, resident: Leg, expires_at: datetime
    ) -> dict[str, Any]:
        if order_id in self._bridges or self._ledger.knows(order_id):
            return door.refused("known")
        if expires_at <= utc_now():
            return door.refused("expired")
        if len(self._bridges) >= BRIDGES_AT_ONCE:
            return door.refused("busy")
        if not all(numbers.can_dial(leg.number, self._settings) for leg in (staff, resident)):
            return door.refused("no_trunk")
        self._bridges.add(order_id)
        begun = False
        try:
            if await self._is_over_limit("bridge"):
                return door.refused("limit")
            errand = self._errand(order_id, "bridge")
            if not await errand.save():
                return door.refused("busy")  # without a trace on disk it could be done twice
            task = self._start(errand, lambda it: flows.bridge(it, self._voice, staff, resident))
            task.add_done_callback(lambda _: self._bridges.discard(order_id))
            begun = True
            return {"ok": True}
        finally:
            if not begun:
                self._bridges.discard(order_id)

    def ring_duty(
        self, call_id: str, *, caller: str, village_code: str | None, reference_no: str | None
    ) -> None:
        """Begin to ring the duty phones; returns at once, never raises. Once for each call.

        While they ring for a number, its next call asks for nothing more.
        """
        if call_id in self._rung_for:
            return
        self._rung_for.append(call_id)
        who_asks = self._sealer.caller_hash(caller) if caller else call_id
        verdict = self._callers.admit(who_asks)
        if verdict == "rings already":
            log.info("the duty phones ring for this caller already", call=call_id)
            self._calls_of[who_asks].append(call_id)
            return
        errand = self._errand(str(uuid.uuid4()), "duty", call_id)
        reachable = numbers.may_call_back(caller, self._settings)
        back = Leg("caller", caller) if reachable else None
        calls = [call_id]
        line = duty.Line(
            has_road=lambda number: numbers.can_dial(number, self._settings),
            caller_is_there=lambda: any(self._is_on_the_line(one) for one in tuple(calls)),
            pause=self._pause,
            monotonic_s=self._monotonic_s,
        )

        async def flow(it: Errand) -> Result:
            if verdict == "limit" or await self._is_over_limit("duty"):
                return "limit"
            await it.save()
            phones = self._phones("duty", village_code)
            return await duty.ring(
                it, self._voice, phones, line, caller=back, village_code=village_code
            )

        ringing = self._start(errand, flow)
        if verdict == "ring":
            self._calls_of[who_asks] = calls
            ringing.add_done_callback(lambda _: self._ring_over(who_asks))

    def _ring_over(self, who_asks: str) -> None:
        self._callers.over(who_asks)
        del self._calls_of[who_asks]

    def _is_on_the_line(self, call_id: str) -> bool:
        """Whether an incoming call lives: as long as it does it holds its folder's lock."""
        folder = spool_of(self._settings) / folder_name(call_id)
        try:
            with locked(folder) as is_over:
                return not is_over and folder.is_dir()
        except OSError:
            return False

    async def find_human(self, call: Call, *, village_code: str | None) -> Found:
        """See ``contract.Outgoing``. At most half of the hourly limit goes to this."""
        left: Call | None = None
        errand = self._errand(str(uuid.uuid4()), "human", folder_name(call.call_id))

        async def flow(it: Errand) -> Result:
            nonlocal left
            if await self._is_over_limit("human"):
                return "limit"
            await it.save()
            phones = self._phones("human", village_code)
            result, left = await flows.human(it, self._voice, call, village_code, phones)
            return result

        result = await run(errand, flow)
        return "parted" if result == "joined" and left is not call else result

    def _errand(self, order_id: str, kind: Kind, call_id: str | None = None) -> Errand:
        outcome = Outcome(order_id, kind, now_text(), call_id)
        return Errand(outcome, self._ledger, self._driver, on_change=lambda: bell.ring(BELL))

    def _start(self, errand: Errand, flow: Flow) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(run(errand, flow))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _is_over_limit(self, kind: Kind) -> bool:
        """Whether the last hour holds as many as may be; callers cannot use up the bridges."""
        try:
            begun = await asyncio.to_thread(self._ledger.begun_lately)
        except OSError:
            return kind != "duty"
        if kind == "duty":
            return begun["duty"] >= DUTY_PER_HOUR
        limit = self._settings.bridges_per_hour
        is_over = begun["bridge"] + begun["human"] >= limit
        return is_over or (kind == "human" and begun["human"] >= max(1, limit // 2))

    def _phones(self, kind: str, village_code: str | None) -> list[Leg]:
        found = who.to_ring(self._known.current(), kind, village_code, utc_now())
        legs: dict[str, Leg] = {}
        for phone in found[:PHONES_AT_MOST]:
            try:
                number = self._sealer.unseal(phone.number_sealed)
            except (InvalidTag, ValueError):
                log.error("a number of the directory cannot be opened", who=phone.who)
                continue
            if numbers.is_dialable(number, self._settings):
                same = phone_numbers.normal(number)  # whoever stands there twice is rung once
                legs.setdefault(same, Leg(phone.who, number, phone.name))
        return list(legs.values())


def _leg(raw: Any) -> Leg:
    return Leg(str(raw["who"]), str(raw["number"]), str(raw.get("name", "")))
