"""How often one caller may have the duty phones rung: nobody alone uses up everybody's alarm."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from core.clock import utc_now

RINGS_OF_ONE_CALLER = 3
WITHIN = timedelta(hours=1)
Verdict = Literal["ring", "rings already", "limit"]


class Callers:
    """Rings of this process, by who asked for them. A restart forgets; the whole limit does not."""

    def __init__(self) -> None:
        self._begun: dict[str, list[datetime]] = {}
        self._running: set[str] = set()

    def admit(self, caller: str) -> Verdict:
        """Whether phones are rung for this caller. After "ring", ``over`` tells of its end."""
        now = utc_now()
        self._forget(now)
        if caller in self._running:
            return "rings already"
        lately = self._begun.setdefault(caller, [])
        if len(lately) >= RINGS_OF_ONE_CALLER:
            return "limit"
        lately.append(now)
        self._running.add(caller)
        return "ring"

    def over(self, caller: str) -> None:
        self._running.discard(caller)

    def _forget(self, now: datetime) -> None:
        """What is older than an hour, or lies ahead because the clock was put back."""
        for caller, begun in list(self._begun.items()):
            self._begun[caller] = [at for at in begun if now - WITHIN < at <= now]
            if not self._begun[caller]:
                del self._begun[caller]
