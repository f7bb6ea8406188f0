"""What the pages of an episode show."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from core.auth import Actor
from core.errors import XiangyinError
from core.models import User
from recordings import episodes, programmes, rendering, sound, speech
from recordings.models import Clip, Episode, Programme
from transcribe import transcripts
from transcribe.catalogue import STARTER_WARNING
from web.pages import render

BADGES = {
    "processing": ("info", "…"),
    "failed": ("bad", "✕"),
    "ready": ("info", "●"),
    "submitted": ("warn", "⚑"),
    "approved": ("good", "✓"),
    "rejected": ("bad", "↩"),
}


def form(
    request: Request,
    session: Session,
    actor: Actor,
    programme_id: int,
    error: XiangyinError | None = None,
    values: dict[str, Any] | None = None,
) -> Response:
    """The form for a new episode, again with ``error`` when it was refused."""
    programme = programmes.get(session, actor, programme_id)
    if error is not None and error.http_status in (403, 404):
        raise error
    return render(
        request,
        "programmes/new_episode.html",
        programme=programme,
        error=error,
        values=values or {},
        max_minutes=sound.MAX_S // 60,
        max_characters=speech.MAX_CHARACTERS,
    )


def page(
    request: Request,
    session: Session,
    episode: Episode,
    error: XiangyinError | None = None,
    values: dict[str, Any] | None = None,
) -> Response:
    """The page of one episode."""
    original = session.get(Clip, episode.original_sha256) if episode.original_sha256 else None
    decided_by = session.get(User, episode.decided_by_id) if episode.decided_by_id else None
    created_by = session.get(User, episode.created_by_id) if episode.created_by_id else None
    trims = {
        "trim_start": episode.trim_start_ms / 1000,
        "trim_end": episode.trim_end_ms / 1000,
    }
    return render(
        request,
        "programmes/episode.html",
        programme=session.get_one(Programme, episode.programme_id),
        clip=episodes.delivery_clip(session, episode),
        original=original,
        decided_by=decided_by.display_name if decided_by else None,
        created_by=created_by.display_name if created_by else None,
        error=error,
        values={**trims, **(values or {})},
        **{**state(session, episode), **words(session, episode)},
    )


def state(session: Session, episode: Episode) -> dict[str, Any]:
    """What the changing part shows."""
    return {
        "episode": episode,
        "job": episodes.latest_job(session, episode.id),
        "states": episodes.STATES,
        "badges": BADGES,
        "steps": rendering.STEPS,
    }


def words(session: Session, episode: Episode) -> dict[str, Any]:
    """What the machine heard, and whether that can be trusted."""
    transcript = transcripts.latest(session, "episode", episode.id)
    unsure = transcript is not None and transcript.hears_people is False
    return {
        "episode": episode,
        "transcript": transcript,
        "starter_warning": STARTER_WARNING if unsure else None,
    }
