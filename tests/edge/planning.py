"""Short ways to say plays, for tests of the plan."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from edge.manifest import ClipRef, PlannedPlay
from edge.plan import Limits, QuietHours

EIGHT = datetime(2026, 6, 1, 0, 0, tzinfo=UTC)  # 08:00 in the village


def at(seconds: float) -> datetime:
    """``seconds`` after eight."""
    return EIGHT + timedelta(seconds=seconds)


def play(
    play_id: int = 1,
    starts: float = 0,
    lasts: float = 60,
    make_up: float = 3600,
    priority: int = 50,
    sha256: str = "a" * 64,
) -> PlannedPlay:
    """A play; times in seconds after eight."""
    return PlannedPlay(
        play_id=play_id,
        revision=1,
        starts_at=at(starts),
        make_up_until=at(starts + make_up),
        priority=priority,
        programme="所长说法",
        title=f"第{play_id}期",
        clip=ClipRef(sha256, 1000, int(lasts * 1000), "audio/ogg"),
    )


def quiet(start: str, end: str) -> Limits:
    """Limits of a box that is quiet between these local times."""
    hours = QuietHours(
        time.fromisoformat(start), time.fromisoformat(end), ZoneInfo("Asia/Shanghai")
    )
    return Limits(quiet=hours)
