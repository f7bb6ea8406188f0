"""What to do now: pure decisions over plays, clips, the clock and what is sounding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from edge.manifest import PlannedPlay

ClipState = Literal["ready", "preparing", "missing", "damaged"]

PREROLL_S = 0.5  # near-silence that wakes the amplifier
ARM_S = 2.0  # handed to the sink this long before its instant: slow disks need it
SHORTEST_LEAD_S = 0.25  # what a sink needs from the order to the first sample
GRACE_S = 2.0  # a start this late still counts as on time
LONGEST_SLEEP_S = 0.5
MAKE_UP_PRIORITY = 40
LIVE_PRIORITY = 90  # from here up a late play keeps its priority
EMERGENCY_PRIORITY = 100
MAX_ATTEMPTS = 3
_GAP_S = 2.0  # kept free between a made-up play and the next one on time


@dataclass(frozen=True)
class Entry:
    """A play that has not ended yet.

    ``attempts``: how often its sound was begun and cut by the box itself. ``blocked``: why it
    could not start when it last could have.
    """

    play: PlannedPlay
    attempts: int = 0
    blocked: str | None = None


@dataclass(frozen=True)
class QuietHours:
    """Local wall times between which nothing below an emergency sounds; may pass midnight."""

    start: time
    end: time
    zone: ZoneInfo

    def touches(self, begin: datetime, end: datetime) -> bool:
        """Whether any part of the span from ``begin`` to ``end`` is quiet."""
        day = begin.astimezone(self.zone).date() - timedelta(days=1)
        last = end.astimezone(self.zone).date()
        while day <= last:
            quiet_from = datetime.combine(day, self.start, self.zone)
            until_day = day if self.end > self.start else day + timedelta(days=1)
            quiet_until = datetime.combine(until_day, self.end, self.zone)
            if begin < quiet_until and end > quiet_from:
                return True
            day += timedelta(days=1)
        return False


@dataclass(frozen=True)
class Limits:
    """What no manifest overrides."""

    longest_play_s: float = 7200.0
    quiet: QuietHours | None = None


@dataclass(frozen=True)
class Sounding:
    """The play that is sounding. ``priority``: the one it was started with."""

    play_id: int
    priority: int


@dataclass(frozen=True)
class Start:
    """Begin ``play`` so that its first sample is heard at ``at``."""

    play: PlannedPlay
    at: datetime
    priority: int


@dataclass(frozen=True)
class Decision:
    """``missed`` and ``blocked``: pairs of play id and reason."""

    missed: tuple[tuple[int, str], ...]
    blocked: tuple[tuple[int, str], ...]
    interrupt: bool
    start: Start | None
    sleep_s: float


def duration_s(play: PlannedPlay) -> float:
    """Planned length of the sound in seconds."""
    return play.clip.duration_ms / 1000


def last_start(play: PlannedPlay) -> datetime:
    """The last instant at which ``play`` may begin."""
    return max(play.make_up_until, play.starts_at + timedelta(seconds=GRACE_S))


def may_be_made_up(entry: Entry, now: datetime) -> bool:
    """Whether a play that was cut may begin again."""
    return entry.attempts < MAX_ATTEMPTS and now <= last_start(entry.play)


def decide(
    entries: Sequence[Entry],
    now: datetime,
    sounding: Sounding | None,
    clip_state: Callable[[PlannedPlay], ClipState],
    limits: Limits,
) -> Decision:
    """Decide for this instant. ``entries`` holds open plays only, not the sounding one."""
    missed: list[tuple[int, str]] = []
    blocked: list[tuple[int, str]] = []
    able: list[Start] = []
    going_on: list[Entry] = []
    for entry in entries:
        reason = _is_over(entry, now, limits)
        if reason:
            missed.append((entry.play.play_id, reason))
        else:
            going_on.append(entry)
    for entry in going_on:
        if entry.play.starts_at - timedelta(seconds=ARM_S) > now:
            continue
        start = _start_of(entry.play, now)
        hindrance = _hindrance(start, now, going_on, clip_state(entry.play), limits)
        if hindrance:
            blocked.append((entry.play.play_id, hindrance))
        else:
            able.append(start)
    able.sort(key=lambda s: (-s.priority, s.play.starts_at, s.play.play_id))
    winner = able[0] if able else None
    if winner and sounding and winner.priority <= sounding.priority:
        winner = None
    blocked += [(s.play.play_id, "overlap") for s in able if s is not winner]
    return Decision(
        missed=tuple(missed),
        blocked=tuple(blocked),
        interrupt=winner is not None and sounding is not None,
        start=winner,
        sleep_s=_sleep_s(going_on, now),
    )


def effective_priority(play: PlannedPlay, now: datetime) -> int:
    """A play that is late ranks as made up, unless it is live, a drill or an emergency."""
    late = now > play.starts_at + timedelta(seconds=GRACE_S)
    if late and play.priority < LIVE_PRIORITY:
        return min(play.priority, MAKE_UP_PRIORITY)
    return play.priority


def _is_over(entry: Entry, now: datetime, limits: Limits) -> str | None:
    if duration_s(entry.play) > limits.longest_play_s:
        return "too_long"
    if entry.attempts >= MAX_ATTEMPTS:
        return entry.blocked or "interrupted"
    if _start_of(entry.play, now).at > last_start(entry.play):
        # With nothing noted, the loop never looked while the play could have begun.
        return entry.blocked or "player_off"
    return None


def _start_of(play: PlannedPlay, now: datetime) -> Start:
    late = now > play.starts_at + timedelta(seconds=GRACE_S)
    lead_s = SHORTEST_LEAD_S + (PREROLL_S if late else 0.0)
    at = max(play.starts_at, now + timedelta(seconds=lead_s))
    return Start(play, at, effective_priority(play, now))


def _hindrance(
    start: Start, now: datetime, entries: Sequence[Entry], clip: ClipState, limits: Limits
) -> str | None:
    if clip != "ready":
        return "not_prepared" if clip == "preparing" else f"clip_{clip}"
    end = start.at + timedelta(seconds=duration_s(start.play))
    emergency = start.play.priority >= EMERGENCY_PRIORITY
    if limits.quiet and not emergency and limits.quiet.touches(start.at, end):
        return "quiet_hours"
    late = now > start.play.starts_at + timedelta(seconds=GRACE_S)
    if late and start.priority < LIVE_PRIORITY:
        room_until = end + timedelta(seconds=_GAP_S)
        for other in entries:
            if now < other.play.starts_at < room_until and other.play.priority >= start.priority:
                return "overlap"
    return None


def _sleep_s(entries: Sequence[Entry], now: datetime) -> float:
    """Until the next play is to be armed, and never longer than a step of the clock may cost."""
    waits = [(e.play.starts_at - now).total_seconds() - ARM_S for e in entries]
    return max(0.02, min([LONGEST_SLEEP_S, *(wait for wait in waits if wait > 0)]))
