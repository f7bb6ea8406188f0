"""What this room does with its own news: what was submitted by telephone goes to approval."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import audit
from core.database import claimed
from core.models import User
from core.outbox import Handler
from recordings import episodes
from recordings.models import Episode


def handlers() -> list[tuple[str, Handler]]:
    """(kind, handler) pairs for the dispatcher."""
    return [("episode.changed", submit_when_ready)]


def submit_when_ready(session: Session, payload: dict[str, Any]) -> None:
    """Ask for approval, once, of an episode whose maker has asked for it already.

    The wish is used up: an episode taken back later stays back.
    """
    if payload["state"] != "ready":
        return
    wished = session.execute(
        sa.update(Episode)
        .where(
            Episode.id == payload["episode_id"],
            Episode.state == "ready",
            Episode.submit_when_ready,
        )
        .values(submit_when_ready=False)
        .execution_options(synchronize_session=False)
    )
    if not claimed(wished):
        return
    episode = session.get_one(Episode, payload["episode_id"], populate_existing=True)
    episodes.move(session, episode, ("ready",), "submitted")
    maker = session.get(User, episode.created_by_id) if episode.created_by_id else None
    login = maker.login if maker else "hotline"
    audit.record(session, login, "episode.submitted", f"episode:{episode.id}", by="phone")
