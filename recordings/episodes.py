"""节目（第N期): finding them, and changing their state so that two people never both succeed."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import outbox
from core.auth import Actor
from core.database import claimed
from core.errors import N_, Conflict, NotFound
from recordings import programmes
from recordings.models import Clip, Episode, RenderJob

STATES = {
    "processing": N_("being prepared"),
    "failed": N_("could not be used"),
    "ready": N_("ready to listen"),
    "submitted": N_("waiting for approval"),
    "approved": N_("approved"),
    "rejected": N_("sent back to the recorder"),
}


def get(session: Session, actor: Actor, episode_id: int) -> Episode:
    """The episode, when its programme lies in the actor's area, else NotFound."""
    programmes.require_reader(actor)
    episode = session.get(Episode, episode_id)
    if episode is None:
        raise NotFound(N_("There is no such episode."))
    programmes.get(session, actor, episode.programme_id)
    return episode


def of_programme(session: Session, programme_id: int, limit: int = 200) -> list[Episode]:
    """Episodes of a programme, newest first."""
    return list(
        session.scalars(
            sa.select(Episode)
            .where(Episode.programme_id == programme_id)
            .order_by(Episode.number.desc())
            .limit(limit)
        )
    )


def waiting_for_approval(session: Session, actor: Actor) -> list[Episode]:
    """Submitted episodes of the actor's area, oldest first."""
    own = [summary.programme.id for summary in programmes.listing(session, actor)]
    return list(
        session.scalars(
            sa.select(Episode)
            .where(Episode.programme_id.in_(own), Episode.state == "submitted")
            .order_by(Episode.id)
        )
    )


def latest_job(session: Session, episode_id: int) -> RenderJob | None:
    """The newest rendering of an episode."""
    return session.scalar(
        sa.select(RenderJob)
        .where(RenderJob.episode_id == episode_id)
        .order_by(RenderJob.id.desc())
        .limit(1)
    )


def delivery_clip(session: Session, episode: Episode) -> Clip | None:
    """Facts of what the villages hear, None until it is made."""
    return session.get(Clip, episode.delivery_sha256) if episode.delivery_sha256 else None


def move(
    session: Session, episode: Episode, origins: Sequence[str], state: str, **values: object
) -> None:
    """Change the state in one conditional UPDATE and tell it; Conflict when it is elsewhere."""
    moved = session.execute(
        sa.update(Episode)
        .where(Episode.id == episode.id, Episode.state.in_(origins))
        .values(state=state, **values)
        .execution_options(synchronize_session=False)
    )
    if not claimed(moved):
        raise Conflict(
            N_("Somebody else has changed this episode meanwhile. Look at it again, then decide.")
        )
    session.refresh(episode)
    tell(session, episode.id, state)


def tell(session: Session, episode_id: int, state: str) -> None:
    """News upward; ``state`` lets a handler wait for "ready" without looking."""
    outbox.emit(session, "episode.changed", episode_id=episode_id, state=state)
