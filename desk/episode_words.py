"""A finished episode gets its words written by the same decoders that hear the reports."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.outbox import Handler
from recordings.models import Clip, Episode
from transcribe import jobs
from transcribe.models import TranscriptionJob

PRIORITY = 20
"""Below reports (50): nobody waits for an episode's words."""

CATCH_UP = 20


def handlers() -> list[tuple[str, Handler]]:
    return [("episode.changed", _write_words)]


def catch_up(session: Session) -> int:
    """Ask for the words of episodes that came while the queue was full; how many."""
    if jobs.pressure(session).full:
        return 0
    missing = session.scalars(
        sa.select(Episode)
        .where(Episode.master_sha256.is_not(None), ~_asked().exists())
        .order_by(Episode.id.desc())
        .limit(CATCH_UP)
    ).all()
    for episode in missing:
        _enqueue(session, episode)
    return len(missing)


def _write_words(session: Session, payload: dict[str, Any]) -> None:
    episode = session.get(Episode, int(payload["episode_id"]))
    if episode is None or episode.master_sha256 is None or jobs.pressure(session).full:
        return
    if session.scalar(sa.select(Episode.id).where(Episode.id == episode.id, _asked().exists())):
        return
    _enqueue(session, episode)


def _asked() -> sa.Select[int]:
    """Jobs for the sound an episode has now."""
    return sa.select(TranscriptionJob.id).where(
        TranscriptionJob.subject_kind == "episode",
        TranscriptionJob.subject_id == Episode.id,
        TranscriptionJob.audio_sha256 == Episode.master_sha256,
    )


def _enqueue(session: Session, episode: Episode) -> None:
    assert episode.master_sha256 is not None
    clip = session.get(Clip, episode.master_sha256)
    jobs.enqueue(
        session,
        "episode",
        episode.id,
        episode.master_sha256,
        priority=PRIORITY,
        duration_ms=clip.duration_ms if clip else None,
    )
