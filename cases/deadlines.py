"""时限: until when a case is to be solved. Pure rules over the table of clocks.

Reassigning never resets a clock; a reopen starts a new one. Only time on hold does not count.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol

from cases.lifecycle import Action, CaseStatus
from cases.vocabulary import SERVICE_BY_CODE

URGENT = timedelta(hours=2)
FAST_SERVICE = timedelta(hours=24)
USUAL = timedelta(days=7)
LONG = timedelta(days=15)
LONG_LEVELS = frozenset({"complex", "cross_county"})
DONE = frozenset({CaseStatus.RESOLVED, CaseStatus.VERIFYING, CaseStatus.CLOSED})
"""Here no clock of handling runs."""


class Happened(Protocol):
    """What is read of an event of a case."""

    at: datetime
    action: str
    cycle_no: int


def time_allowed(level: str, service_code: str | None, urgent: bool) -> timedelta:
    """How long handling may take. Water, power, gas, heat: 24 h, unless the matter is complex."""
    if urgent:
        return URGENT
    if level in LONG_LEVELS:
        return LONG
    service = SERVICE_BY_CODE.get(service_code or "")
    return FAST_SERVICE if service is not None and service.fast else USUAL


def due_at(
    level: str,
    service_code: str | None,
    urgent: bool,
    started_at: datetime,
    on_hold: timedelta = timedelta(),
) -> datetime:
    """When the clock that began at ``started_at`` runs out; time on hold is added."""
    return started_at + time_allowed(level, service_code, urgent) + on_hold


def cycle_started_at(events: Iterable[Happened], cycle_no: int, created_at: datetime) -> datetime:
    """When the present round began: the reopen that led to it, else the making of the case."""
    begun = [e.at for e in events if e.action == Action.REOPEN and e.cycle_no == cycle_no]
    return begun[-1] if begun and cycle_no > 1 else created_at


def time_on_hold(events: Iterable[Happened], cycle_no: int, now: datetime) -> timedelta:
    """How long the case has rested in this round, up to ``now`` when it still does."""
    total, since = timedelta(), None
    for event in events:
        if event.cycle_no != cycle_no:
            continue
        if event.action == Action.HOLD:
            since = event.at
        elif event.action == Action.RESUME and since is not None:
            total, since = total + (event.at - since), None
    return total if since is None else total + (now - since)
