"""Plays as rows of the memory, and back."""

from __future__ import annotations

from typing import Any

from edge.clock import iso, parse
from edge.ladder import Paused
from edge.manifest import ClipRef, PlannedPlay
from edge.plan import Entry

PLAY_COLUMNS = (
    "play_id, revision, starts_at, make_up_until, priority, programme, title,"
    " clip_sha256, size_bytes, duration_ms, media_type, kind, volume_percent, on_interrupt"
)
PLAY_WIDTH = PLAY_COLUMNS.count(",") + 1
_REVISED = PLAY_COLUMNS.removeprefix("play_id, ")
UPSERT_PLAY = (
    f"INSERT INTO play ({PLAY_COLUMNS}) VALUES ({', '.join('?' * PLAY_WIDTH)})"
    f" ON CONFLICT (play_id) DO UPDATE SET ({_REVISED})"
    f" = ({', '.join('excluded.' + name for name in _REVISED.split(', '))})"
    " WHERE play.state = 'waiting'"
)


def play_row(play: PlannedPlay) -> tuple[object, ...]:
    """A play as values for PLAY_COLUMNS."""
    clip = play.clip
    return (
        play.play_id, play.revision, iso(play.starts_at), iso(play.make_up_until), play.priority,
        play.programme, play.title, clip.sha256, clip.size_bytes, clip.duration_ms, clip.media_type,
        play.kind, play.volume_percent, play.on_interrupt,
    )  # fmt: skip


def play_of(row: tuple[object, ...]) -> PlannedPlay:
    """The play in a row that begins with PLAY_COLUMNS."""
    number, revision, starts, until, priority, programme, title, *rest = row[:PLAY_WIDTH]
    clip, (kind, volume, on_interrupt) = rest[:4], rest[4:]
    return PlannedPlay(
        play_id=int(str(number)),
        revision=int(str(revision)),
        starts_at=parse(str(starts)),
        make_up_until=parse(str(until)),
        priority=int(str(priority)),
        programme=str(programme),
        title=str(title),
        clip=ClipRef(str(clip[0]), int(str(clip[1])), int(str(clip[2])), str(clip[3])),
        kind=str(kind),
        volume_percent=int(str(volume)),
        on_interrupt=str(on_interrupt),
    )


def entry_of(row: tuple[Any, ...]) -> Entry:
    """PLAY_COLUMNS, then attempts, blocked, position_s, first_heard_at, cut_at, silent_s."""
    attempts, blocked, position_s, first_heard_at, cut_at, silent_s = row[PLAY_WIDTH:]
    paused = None
    if position_s is not None:
        paused = Paused(position_s, parse(first_heard_at), parse(cut_at), silent_s)
    return Entry(play_of(row), attempts, blocked, paused)
