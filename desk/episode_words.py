"""A finished episode gets its words written by the same decoders that hear the reports."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.outbox import Handler
from recordings.models import Episode
from transcribe import jobs
from transcribe.models import TranscriptionJob

PRIORITY = 20
"""Below reports (50): nobody waits for an episode's words."""


def handlers() -> list[tuple[str, Handler]]:
    return [("episode.changed", _write_words)]


def _write_words(session: Session, payload: dict[str, Any]) -> None:
    episode = session.get(Episode, int(payload["episode_id"]))
    if episode is None or episode.master_sha256 is None:
        return
    asked = session.scalar(
        sa.select(TranscriptionJob.id).where(
            TranscriptionJob.subject_kind == "episode",
            TranscriptionJob.subject_id == episode.id,
            TranscriptionJob.audio_sha256 == episode.master_sha256,
        )
    )
    if asked is None:
        jobs.enqueue(session, "episode", episode.id, episode.master_sha256, priority=PRIORITY)
