"""Which calls leave a call-back, why, and when it is due: pure rules over facts of a call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

SOON = timedelta(minutes=30)
AT_ONCE = timedelta(minutes=2)
AGAIN_AT_ONCE = timedelta(minutes=10)
"""When somebody who was cheated did not answer our call, the next one follows this soon."""
DAY_BEGINS, DAY_ENDS, MORNING = time(7), time(21), time(8)
EVENING_BEGINS, EVENING_ENDS, FORENOON = time(18), time(20), time(10)
TRIES_NEEDED = 3

GRAVITY = (
    "fraud", "human", "wanted", "killed", "disk", "not_satisfied", "refused", "no_number_told",
    "status", "dropped", "no_speech", "no_consent", "missed",
)  # fmt: skip
"""Every reason, the gravest first. What calls of one number have in common is the gravest.

``refused`` comes of no call: hotline.refusals owes it.
"""

CLOSED_BY_A_REPORT = frozenset({"missed", "dropped"})
"""Nothing was promised: who calls again and leaves a report has what they called for."""

_JOINED = frozenset({"joined", "human_joined"})
_OUR_FAULT = frozenset({"disk", "recorder_lost", "error", "stopped", "limit"})
_LINE_BROKE = frozenset({"network", "hold"})
_NOT_HEARD_IN = frozenset({"news", "studio", "quiet", "live"})
"""Kinds of calls in which nobody had anything to tell us."""


@dataclass(frozen=True, kw_only=True)
class CallFacts:
    """What is known of a call that is over.

    ``end_cause``, ``kind``: as in the journal. ``finished``: False when our process died.
    ``spoken``: its report has sound. ``number_told``: the number that the caller was told, or was
    about to be told, is the report's; where the line broke nobody heard it to its end.
    ``promised``: the caller was told that somebody will phone. ``wants_person``: asked for a
    person, whatever else the call was for.
    """

    end_cause: str
    kind: str = "report"
    finished: bool = True
    agreed: bool = False
    urgent: bool = False
    reported: bool = False
    spoken: bool = False
    number_promised: bool = False
    number_told: bool = False
    not_satisfied: bool = False
    promised: bool = False
    wants_person: bool = False


def reason_of(call: CallFacts) -> str | None:
    """Why somebody has to phone this caller (one of GRAVITY), or None."""
    return next((reason for reason, fits in _TABLE if fits(call)), None)


def _wants_person(call: CallFacts) -> bool:
    return call.wants_person or call.kind == "human"


def _asks_for_report(call: CallFacts) -> bool:
    return call.kind == "report" and not call.reported and call.end_cause != "declined"


def _failed(call: CallFacts) -> bool:
    ours = call.end_cause in _OUR_FAULT and call.kind not in _NOT_HEARD_IN
    return ours and not call.number_told


_TABLE: tuple[tuple[str, Callable[[CallFacts], bool]], ...] = (
    ("fraud", lambda call: call.urgent and not call.spoken),
    ("human", lambda call: _wants_person(call) and call.end_cause not in _JOINED),
    ("wanted", lambda call: call.end_cause == "call_back_wanted"),
    ("killed", lambda call: not call.finished and call.kind not in _NOT_HEARD_IN),
    ("no_number_told", lambda call: call.number_promised and not call.number_told),
    ("no_number_told", lambda call: call.reported and call.end_cause in _LINE_BROKE),
    ("disk", _failed),
    ("not_satisfied", lambda call: call.not_satisfied and call.promised),
    ("status", lambda call: call.kind == "status" and call.promised),
    ("no_number_told", lambda call: call.reported and call.promised),
    ("no_speech", lambda call: call.end_cause == "no_speech" and not call.reported),
    ("no_consent", lambda call: call.end_cause == "no_consent" and not call.reported),
    ("no_consent", lambda call: call.end_cause == "declined" and call.promised),
    ("wanted", lambda call: call.promised),
    ("dropped", lambda call: _asks_for_report(call) and call.end_cause in _LINE_BROKE),
    ("dropped", lambda call: _asks_for_report(call) and call.agreed),
    ("missed", _asks_for_report),
)
"""Asked from top to bottom, so a reason that tells more about what to say stands higher."""


def gravest(first: str, second: str) -> str:
    """The one of two reasons that matters more."""
    return min(first, second, key=_gravity)


def _gravity(reason: str) -> int:
    return GRAVITY.index(reason) if reason in GRAVITY else len(GRAVITY)


def due_at(reason: str, called_at: datetime, zone: str) -> datetime:
    """Until when the caller is to be phoned, in UTC.

    Half an hour after a call between 07:00 and 21:00 local time, else the next 08:00; who was
    cheated of money, two minutes after the call at any hour.
    """
    if reason == "fraud":
        return called_at + AT_ONCE
    local = called_at.astimezone(ZoneInfo(zone))
    if DAY_BEGINS <= local.time() < DAY_ENDS:
        return called_at + SOON
    days = 0 if local.time() < DAY_BEGINS else 1
    return _local(local, days, MORNING, called_at)


def next_try_at(reason: str, tried_at: list[datetime], zone: str) -> datetime:
    """When to try again after the last of ``tried_at`` was in vain: another day, one evening."""
    last = tried_at[-1]
    if reason == "fraud":
        return last + AGAIN_AT_ONCE
    clock = FORENOON if any(_in_evening(at, zone) for at in tried_at) else EVENING_BEGINS
    return _local(last.astimezone(ZoneInfo(zone)), 1, clock, last)


def tries_lacking(tried_at: list[datetime], zone: str) -> tuple[int, bool]:
    """What lacks before somebody counts as not to be reached: days with a try, an evening try."""
    days = {at.astimezone(ZoneInfo(zone)).date() for at in tried_at}
    return max(0, TRIES_NEEDED - len(days)), not any(_in_evening(at, zone) for at in tried_at)


def _in_evening(at: datetime, zone: str) -> bool:
    return EVENING_BEGINS <= at.astimezone(ZoneInfo(zone)).time() < EVENING_ENDS


def _local(day: datetime, days_later: int, clock: time, utc: datetime) -> datetime:
    wanted = datetime.combine(day.date() + timedelta(days=days_later), clock, day.tzinfo)
    return wanted.astimezone(utc.tzinfo)
