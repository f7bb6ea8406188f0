"""What sounded beside the plan: rounds of overrides, test tones, live addresses, by village."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcast import listed, reasons
from broadcast.models import LiveListener, LiveSession, Override, OverridePlay, Player
from core.models import User
from schedule import rundown
from schedule.models import Play, Slot

LIVE, LIVE_PRIORITY = "live", 90
SLOT = "slot"
LONGEST = timedelta(hours=2)
"""No sound is longer: what began earlier than this before a day does not reach into it."""


@dataclass(frozen=True)
class Sounded:
    """One sound in one village.

    ``kind``: emergency, drill, notice, test, live, or slot (a play that other plays made way
    for). ``ref``: which of them. ``state``: sounding, played (proved to its end), stopped,
    unproved (it began and nobody told of its end), broken (something more urgent came).
    ``remark``: English template. ``play_id``: of a round whose sound was kept.
    """

    kind: str
    ref: str
    area_code: str
    title: str
    person: str
    started_at: datetime
    ended_at: datetime | None
    priority: int
    state: str = "played"
    remark: str = ""
    cause: str = ""
    by_phone: bool = False
    play_id: int | None = None

    @property
    def source(self) -> tuple[str, str]:
        return self.kind, self.ref


@dataclass
class Beside:
    """What sounded beside the plan from one source on one local date."""

    local_date: date
    sounds: list[Sounded] = field(default_factory=list)

    @property
    def newest(self) -> Sounded:
        return self.sounds[-1]

    @property
    def starts_at(self) -> datetime:
        """Its first sound."""
        return self.sounds[0].started_at

    @property
    def villages(self) -> list[str]:
        """Codes of the villages in which it sounded."""
        return sorted({each.area_code for each in self.sounds})

    @property
    def rounds(self) -> int:
        """How often it sounded in the village that heard it most."""
        return max(Counter(each.area_code for each in self.sounds).values())

    @property
    def is_sounding(self) -> bool:
        return any(each.state == "sounding" for each in self.sounds)


class Air:
    """Sounds by village and time, to find quickly what was near a play."""

    def __init__(self, sounds: Iterable[Sounded]) -> None:
        self._by_village: dict[str, list[Sounded]] = {}
        for sound in sorted(sounds, key=lambda each: each.started_at):
            self._by_village.setdefault(sound.area_code, []).append(sound)

    @property
    def villages(self) -> list[str]:
        return list(self._by_village)

    def near(self, area_code: str, begin: datetime, end: datetime) -> list[Sounded]:
        """What may have sounded between two instants, by time."""
        of_village = self._by_village.get(area_code, [])
        first = bisect_left(of_village, begin - LONGEST, key=lambda each: each.started_at)
        last = bisect_left(of_village, end, key=lambda each: each.started_at)
        return of_village[first:last]


def by_day(
    session: Session, villages: Collection[str], first: date, last: date, zone: str
) -> list[Beside]:
    """Each source on each local date from ``first`` to ``last``, in the order of time."""
    begin, end = rundown.midnight(first, zone), rundown.midnight(last, zone, days_later=1)
    found: dict[tuple[date, str, str], Beside] = {}
    for each in sounds(session, villages, begin, end):
        if not begin <= each.started_at < end:
            continue
        day = rundown.local_date_of(each.started_at, zone)
        found.setdefault((day, *each.source), Beside(day)).sounds.append(each)
    return sorted(found.values(), key=lambda each: each.starts_at)


def sounds(
    session: Session, villages: Collection[str], begin: datetime, end: datetime
) -> list[Sounded]:
    """All that sounded between two instants (or may have reached into them), by time."""
    found = [*_rounds(session, villages, begin, end), *_addresses(session, villages, begin, end)]
    return sorted(found, key=lambda each: (each.started_at, each.area_code))


def urgent_plays(
    session: Session, villages: Collection[str], begin: datetime, end: datetime, above: int
) -> list[Sounded]:
    """Plays of slots that rank ``above`` a priority and sounded: others made way for them."""
    rows = session.execute(
        sa.select(Play, Slot.name)
        .join(Slot, Slot.id == Play.slot_id)
        .where(Play.area_code.in_(villages), Play.priority > above, Play.state == "played")
        .where(Play.started_at.is_not(None), Play.starts_at.between(begin - LONGEST, end))
    )
    return [
        Sounded(
            kind=SLOT,
            ref=f"{play.slot_id}/{play.local_date}",
            area_code=play.area_code,
            title=name,
            person="",
            started_at=play.started_at or play.starts_at,
            ended_at=play.ended_at or play.started_at,
            priority=play.priority,
        )
        for play, name in rows
    ]


def _rounds(
    session: Session, villages: Collection[str], begin: datetime, end: datetime
) -> Iterator[Sounded]:
    rows = session.execute(
        sa.select(
            OverridePlay.id,
            OverridePlay.override_id,
            OverridePlay.area_code,
            OverridePlay.state,
            OverridePlay.reason,
            OverridePlay.started_at,
            OverridePlay.ended_at,
            OverridePlay.sounded_sha256,
        )
        .where(OverridePlay.area_code.in_(villages), OverridePlay.starts_at < end)
        .where(OverridePlay.started_at >= begin - LONGEST, OverridePlay.started_at < end)
    ).all()
    ordered = _ordered(session, {row.override_id for row in rows})
    for row in rows:
        override, name = ordered[row.override_id]
        assert row.started_at is not None
        yield Sounded(
            kind=override.kind,
            ref=str(override.id),
            area_code=row.area_code,
            title=override.title,
            person=name,
            started_at=row.started_at,
            ended_at=row.ended_at or _end_of(row.state, row.started_at, override),
            priority=listed.PRIORITIES[override.kind],
            state=_state(row.state, row.reason),
            remark=reasons.words(row.reason),
            play_id=row.id if row.sounded_sha256 else None,
        )


def _ordered(session: Session, ids: set[int]) -> dict[int, tuple[Override, str]]:
    """Overrides with the name of who started them."""
    person = sa.func.coalesce(Override.confirmed_by_id, Override.created_by_id)
    rows = session.execute(
        sa.select(Override, User.display_name)
        .join(User, User.id == person)
        .where(Override.id.in_(ids))
    )
    return {override.id: (override, name) for override, name in rows}


def _state(state: str, reason: str | None) -> str:
    if state in ("played", "sounding"):
        return state
    if state == "cancelled":
        return "stopped"
    return "broken" if reason == "preempted" else "unproved"


def _end_of(state: str, started_at: datetime, override: Override) -> datetime | None:
    """Its end where the player told none; None while it sounds."""
    if state == "sounding":
        return None
    whole = started_at + timedelta(milliseconds=override.duration_ms or 0)
    if override.cancelled_at is None:
        return whole
    return min(whole, max(override.cancelled_at, started_at))


def _addresses(
    session: Session, villages: Collection[str], begin: datetime, end: datetime
) -> Iterator[Sounded]:
    rows = session.execute(
        sa.select(
            LiveSession,
            User.display_name,
            Player.area_code,
            sa.func.min(LiveListener.first_sound_at),
        )
        .join(LiveListener, LiveListener.session_id == LiveSession.id)
        .join(Player, Player.id == LiveListener.player_id)
        .join(User, User.id == LiveSession.started_by_id)
        .where(Player.area_code.in_(villages))
        .where(LiveListener.first_sound_at >= begin - LONGEST, LiveListener.first_sound_at < end)
        .group_by(LiveSession.id, User.display_name, Player.area_code)
    )
    for live, name, code, first_at in rows:
        assert first_at is not None
        yield Sounded(
            kind=LIVE,
            ref=live.id,
            area_code=code,
            title=live.title,
            person=name,
            started_at=first_at,
            ended_at=live.ended_at,
            priority=listed.PRIORITIES["emergency"] if live.emergency else LIVE_PRIORITY,
            state="sounding" if live.ended_at is None else "played",
            cause=live.end_cause or "",
            by_phone=live.source == "phone",
        )
