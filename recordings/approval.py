"""Whoever answers for what the villages hear says yes or no, and it is kept who did."""

from __future__ import annotations

from sqlalchemy.orm import Session

from core import audit
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, InvalidInput
from recordings import episodes
from recordings.models import Episode

MAX_REASON = 500


def submit(session: Session, actor: Actor, episode_id: int) -> Episode:
    """Ask for approval of an episode that is ready or was sent back."""
    actor.require("episode.record")
    episode = episodes.get(session, actor, episode_id)
    cleared = {"decided_by_id": None, "decided_at": None, "decision_reason": None}
    episodes.move(session, episode, ("ready", "rejected"), "submitted", **cleared)
    audit.record(session, actor.login, "episode.submitted", f"episode:{episode.id}")
    return episode


def withdraw(session: Session, actor: Actor, episode_id: int) -> Episode:
    """Take a submitted episode back before anybody has decided."""
    actor.require("episode.record")
    episode = episodes.get(session, actor, episode_id)
    episodes.move(session, episode, ("submitted",), "ready")
    audit.record(session, actor.login, "episode.withdrawn", f"episode:{episode.id}")
    return episode


def approve(session: Session, actor: Actor, episode_id: int) -> Episode:
    """Let the villages hear it. One's own recording too: a small station may have one person."""
    actor.require("episode.approve")
    episode = episodes.get(session, actor, episode_id)
    _decide(session, actor, episode, "approved", None)
    audit.record(
        session,
        actor.login,
        "episode.approved",
        f"episode:{episode.id}",
        sha256=episode.delivery_sha256,
        own_recording=episode.created_by_id == actor.id,
    )
    return episode


def reject(session: Session, actor: Actor, episode_id: int, reason: str) -> Episode:
    """Send it back with a reason the recorder reads."""
    actor.require("episode.approve")
    episode = episodes.get(session, actor, episode_id)
    kept = reason.strip()
    if not kept or len(kept) > MAX_REASON:
        raise InvalidInput(
            N_("Say why you send it back, in up to %(limit)d characters."),
            field="reason",
            params={"limit": MAX_REASON},
        )
    _decide(session, actor, episode, "rejected", kept)
    audit.record(session, actor.login, "episode.rejected", f"episode:{episode.id}", reason=kept)
    return episode


def _decide(
    session: Session, actor: Actor, episode: Episode, state: str, reason: str | None
) -> None:
    episodes.move(
        session,
        episode,
        ("submitted",),
        state,
        decided_by_id=actor.id,
        decided_at=utc_now(),
        decision_reason=reason,
    )
