"""What to do now: pure decisions over plays, clips, the clock and what is sounding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from edge import ladder
from edge.ladder import Paused
from edge.manifest import PlannedPlay

ClipState = Literal["ready", "preparing", "missing", "damaged"]

PREROLL_S = 0.5  # near-silence that wakes the amplifier
ARM_S = 2.0  # handed to the sink this long before its instant: slow disks need it
SHORTEST_LEAD_S = 0.25  # what a sink needs from the order to the first sample
GRACE_S = 2.0  # a start this late still counts as on time
LONGEST_SLEEP_S = 0.5
MAX_ATTEMPTS = 3
LONGEST_BREAK_S = 2700.0
"""In all, of a play that goes on where it stopped after its make-up time is over: half an hour
somebody may speak live, and room for what follows at once."""
_GAP_S = 2.0  # kept free between a made-up play and the next one on time


@dataclass(frozen=True)
class Entry:
    """A play that has not ended yet.

    ``attempts``: how often its sound was begun and cut by the box itself. ``blocked``: why it
    could not start when it last could have. ``paused``: it sounded in part and goes on.
    ``sound_s``: how long its sound really is, 0 while that is unknown.
    """

    play: PlannedPlay
    attempts: int = 0
    blocked: str | None = None
    paused: Paused | None = None
    sound_s: float = 0.0

    @property
    def length_s(self) -> float:
        """In seconds: what a list says too little keeps nobody awake."""
        return max(duration_s(self.play), self.sound_s)

    @property
    def from_s(self) -> float:
        """Where in the clip it begins when it begins next."""
        return self.paused.position_s if self.paused else 0.0


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
    """What holds back any play. ``ordered_quiet``: of the village, which the list tells."""

    longest_play_s: float = 7200.0
    quiet: QuietHours | None = None
    switched_quiet: bool = False
    ordered_quiet: bool = False


@dataclass(frozen=True)
class Sounding:
    """The play that is sounding. ``priority``: the one it was started with."""

    play_id: int
    priority: int


@dataclass(frozen=True)
class Start:
    """Begin ``play`` so that its first sample is heard at ``at``.

    ``paused``: it sounded in part before and goes on from there.
    """

    play: PlannedPlay
    at: datetime
    priority: int
    paused: Paused | None = None


@dataclass(frozen=True)
class Decision:
    """``missed`` and ``blocked``: pairs of play id and reason.

    ``cut``: why what is sounding must fall silent now: ``preempted`` by ``start``, or
    ``quiet_switch``; None when it goes on.
    """

    missed: tuple[tuple[int, str], ...]
    blocked: tuple[tuple[int, str], ...]
    cut: str | None
    start: Start | None
    sleep_s: float


def duration_s(play: PlannedPlay) -> float:
    """Planned length of the sound in seconds."""
    return play.clip.duration_ms / 1000


def rest_s(entry: Entry) -> float:
    """What of the sound is still to be heard, in seconds."""
    return max(0.0, entry.length_s - entry.from_s)


def last_start(play: PlannedPlay) -> datetime:
    """The last instant at which ``play`` may begin."""
    return max(play.make_up_until, play.starts_at + timedelta(seconds=GRACE_S))


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
        start = _start_of(entry, now)
        hindrance = _hindrance(entry, start, now, going_on, clip_state(entry.play), limits)
        if hindrance:
            blocked.append((entry.play.play_id, _reason(entry, hindrance)))
        else:
            able.append(start)
    able.sort(key=lambda s: (-s.priority, -s.play.priority, s.play.starts_at, s.play.play_id))
    cut = _must_fall_silent(sounding, limits)
    winner = able[0] if able else None
    if winner and sounding and not cut:
        cut = "preempted" if ladder.interrupts(winner.priority, sounding.priority) else None
        winner = winner if cut else None
    held = {start.play.play_id for start in able if start is not winner}
    blocked += [(e.play.play_id, _reason(e, "overlap")) for e in going_on if e.play.play_id in held]
    return Decision(tuple(missed), tuple(blocked), cut, winner, _sleep_s(going_on, now))


def _must_fall_silent(sounding: Sounding | None, limits: Limits) -> str | None:
    if sounding and limits.switched_quiet and not ladder.sounds_always(sounding.priority):
        return "quiet_switch"
    return None


def _reason(entry: Entry, hindrance: str) -> str:
    """A play that was broken off and finds no room again was missed because it was broken off."""
    return "preempted" if hindrance == "overlap" and entry.blocked == "preempted" else hindrance


def is_late(play: PlannedPlay, now: datetime) -> bool:
    """Whether it can no longer begin on time."""
    return now > play.starts_at + timedelta(seconds=GRACE_S)


def effective_priority(play: PlannedPlay, now: datetime) -> int:
    """A play that is late ranks as made up, unless it is live, a drill or an emergency, or
    somebody ordered it just now: until list and sound are here it is always late.
    """
    if is_late(play, now) and play.priority < ladder.LIVE and not play.is_ordered_notice:
        return min(play.priority, ladder.MAKE_UP)
    return play.priority


def _is_over(entry: Entry, now: datetime, limits: Limits) -> str | None:
    if entry.length_s > limits.longest_play_s:
        return "too_long"
    if entry.attempts >= MAX_ATTEMPTS:
        return entry.blocked or "interrupted"
    if _start_of(entry, now).at > last_start(entry.play) and not _may_go_on(entry, now, limits):
        # With nothing noted, the loop never looked while the play could have begun.
        return entry.blocked or "player_off"
    return None


def _may_go_on(entry: Entry, now: datetime, limits: Limits) -> bool:
    """Whether it began in time and was not broken off for too long: ``make_up_until`` says how
    late a play may begin, not how late its rest may be heard.
    """
    if limits.ordered_quiet and not ladder.sounds_always(entry.play.priority):
        return False
    return entry.paused is not None and entry.paused.silent_until(now) <= LONGEST_BREAK_S


def _start_of(entry: Entry, now: datetime) -> Start:
    play = entry.play
    lead_s = SHORTEST_LEAD_S + (PREROLL_S if is_late(play, now) else 0.0)
    at = max(play.starts_at, now + timedelta(seconds=lead_s))
    return Start(play, at, effective_priority(play, now), entry.paused)


def _hindrance(
    entry: Entry,
    start: Start,
    now: datetime,
    entries: Sequence[Entry],
    clip: ClipState,
    limits: Limits,
) -> str | None:
    if clip != "ready":
        return "not_prepared" if clip == "preparing" else f"clip_{clip}"
    end = start.at + timedelta(seconds=rest_s(entry))
    if not ladder.sounds_always(entry.play.priority):
        if limits.switched_quiet:
            return "quiet_switch"
        if limits.quiet and limits.quiet.touches(start.at, end):
            return "quiet_hours"
    late = is_late(entry.play, now)
    # What can be broken off and taken up again need not fit before the next one.
    if late and start.priority < ladder.LIVE and not entry.paused:
        room_until = end + timedelta(seconds=_GAP_S)
        for other in entries:
            if now < other.play.starts_at < room_until and other.play.priority >= start.priority:
                return "overlap"
    return None


def _sleep_s(entries: Sequence[Entry], now: datetime) -> float:
    """Until the next play is to be armed, and never longer than a step of the clock may cost."""
    waits = [(e.play.starts_at - now).total_seconds() - ARM_S for e in entries]
    return max(0.02, min([LONGEST_SLEEP_S, *(wait for wait in waits if wait > 0)]))
