"""The door through which episodes come: an uploaded file, a call, or a text for the machine."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import audit, bell, blobs
from core.auth import Actor
from core.blobs import BlobStore
from core.clock import utc_now
from core.errors import N_, InvalidInput
from core.models import User
from recordings import episodes, programmes, sound, speech
from recordings.models import Episode, Programme, RenderJob

BELL = "render"
MAX_TITLE = 120
MAX_TRIM_MS = 2 * 3600 * 1000


def glance(path: Path) -> None:
    """Refuse at once, beside the form's field, what is no sound; InvalidInput(field="file").

    Decodes the first seconds only, so a long file keeps nobody waiting; the rest is judged while
    rendering.
    """
    sound.first_seconds(path)


def receive_upload(
    session: Session,
    store: BlobStore,
    actor: Actor,
    programme_id: int,
    title: str,
    sha256: str,
    *,
    media_type: str = "application/octet-stream",
    trim_start_ms: int = 0,
    trim_end_ms: int = 0,
) -> Episode:
    """An episode from a file that lies in the store already; rendering is queued."""
    _check_trim(trim_start_ms, trim_end_ms)
    programme = _programme(session, actor, programme_id)
    blobs.register(session, store, sha256, media_type[:80])
    episode = _new(session, actor, programme, title, "upload")
    episode.original_sha256 = sha256
    episode.trim_start_ms, episode.trim_end_ms = trim_start_ms, trim_end_ms
    return _queued(session, actor, episode)


def receive_call(
    session: Session,
    store: BlobStore,
    user: User | None,
    programme_id: int,
    title: str,
    sha256: str,
    *,
    submit_when_ready: bool,
) -> Episode:
    """An episode spoken into the telephone by ``user``, who proved to be that person there.

    ``submit_when_ready``: approval is asked for once it is rendered (see recordings.wiring).
    """
    programme = session.get_one(Programme, programme_id, with_for_update=True)
    blobs.register(session, store, sha256, "audio/wav")
    episode = _new(session, user, programme, title, "phone")
    episode.original_sha256, episode.submit_when_ready = sha256, submit_when_ready
    return _queued(session, user, episode)


def receive_script(
    session: Session, actor: Actor, programme_id: int, title: str, text: str
) -> Episode:
    """An episode the machine's voice will speak; InvalidInput(field="text") when nobody could."""
    programme = _programme(session, actor, programme_id)
    script = speech.clean(text)
    episode = _new(session, actor, programme, title, "script")
    episode.script = script
    return _queued(session, actor, episode)


def render_again(
    session: Session,
    actor: Actor,
    episode_id: int,
    *,
    trim_start_ms: int | None = None,
    trim_end_ms: int | None = None,
) -> Episode:
    """Make it anew: after a failure, with other cuts, or with the programme's new opening."""
    actor.require("episode.record")
    episode = episodes.get(session, actor, episode_id)
    start = episode.trim_start_ms if trim_start_ms is None else trim_start_ms
    end = episode.trim_end_ms if trim_end_ms is None else trim_end_ms
    _check_trim(start, end)
    episodes.move(
        session,
        episode,
        ("failed", "ready", "rejected"),
        "processing",
        failure=None,
        failure_params=None,
        warnings=None,
        trim_start_ms=start,
        trim_end_ms=end,
    )
    return _queued(session, actor, episode)


def check_title(title: str) -> str:
    """The title as it is kept; InvalidInput(field="title") when it is empty or too long."""
    kept = title.strip()
    if not kept or len(kept) > MAX_TITLE:
        raise InvalidInput(
            N_("Give the episode a title of up to %(limit)d characters."),
            field="title",
            params={"limit": MAX_TITLE},
        )
    return kept


def _check_trim(start_ms: int, end_ms: int) -> None:
    for field, value in (("trim_start", start_ms), ("trim_end", end_ms)):
        if not 0 <= value <= MAX_TRIM_MS:
            raise InvalidInput(N_("Give the seconds to cut as a number from 0."), field=field)


def _programme(session: Session, actor: Actor, programme_id: int) -> Programme:
    actor.require("episode.record")
    programme = programmes.get(session, actor, programme_id)
    session.execute(  # on PostgreSQL two uploads must not take the same number
        sa.select(Programme.id).where(Programme.id == programme.id).with_for_update()
    )
    return programme


def _new(
    session: Session, actor: Actor | User | None, programme: Programme, title: str, source: str
) -> Episode:
    kept = check_title(title)
    last = session.scalar(
        sa.select(sa.func.max(Episode.number)).where(Episode.programme_id == programme.id)
    )
    episode = Episode(
        programme_id=programme.id,
        number=(last or 0) + 1,
        title=kept,
        source=source,
        state="processing",
        created_by_id=actor.id if actor else None,
        created_at=utc_now(),
    )
    session.add(episode)
    session.flush()
    return episode


def _queued(session: Session, actor: Actor | User | None, episode: Episode) -> Episode:
    session.add(RenderJob(episode_id=episode.id, created_at=utc_now()))
    session.flush()
    login = actor.login if actor else "hotline"
    audit.record(session, login, "episode.received", f"episode:{episode.id}", source=episode.source)
    episodes.tell(session, episode.id, "processing")
    bell.ring_after_commit(session, BELL)
    return episode
