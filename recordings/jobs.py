"""RenderJob rows as work: claimed by one conditional UPDATE, held by a lease, given three tries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core.clock import utc_now
from core.database import Database, claimed
from core.errors import N_, XiangyinError
from core.types import JsonObject
from recordings import episodes
from recordings.models import Episode, RenderJob

LEASE_S = 30
MAX_TRIES = 3
PAUSE_S = 20
GAVE_UP = N_("Preparing this sound was interrupted three times. Ask your administrator.")


@dataclass(frozen=True)
class Claim:
    """A job that is ours until the lease runs out."""

    job_id: int
    episode_id: int
    worker: str
    tries: int


def claim(database: Database, worker: str) -> Claim | None:
    """Take the oldest job that is due, or whose worker died; None when there is none."""
    now = utc_now()
    free = sa.or_(
        sa.and_(
            RenderJob.state == "queued",
            sa.or_(RenderJob.lease_until.is_(None), RenderJob.lease_until <= now),
        ),
        sa.and_(RenderJob.state == "running", RenderJob.lease_until <= now),
    )
    with database.read() as session:
        job_id = session.scalar(sa.select(RenderJob.id).where(free).order_by(RenderJob.id).limit(1))
    if job_id is None:
        return None
    with database.write() as session:
        taken = session.execute(
            sa.update(RenderJob)
            .where(RenderJob.id == job_id, free)
            .values(
                state="running",
                worker=worker,
                tries=RenderJob.tries + 1,
                lease_until=now + timedelta(seconds=LEASE_S),
                step="waiting",
                progress_percent=0,
            )
        )
        if not claimed(taken):
            return None
        job = session.get_one(RenderJob, job_id)
        ours = Claim(job.id, job.episode_id, worker, job.tries)
        if job.tries > MAX_TRIES:
            _fail(session, ours, GAVE_UP, {}, "lease ran out three times")
            return None
    return ours


def renew(database: Database, ours: Claim, **values: object) -> bool:
    """Prolong the lease (and note ``step`` or ``progress_percent``); False when it is lost."""
    with database.write() as session:
        held = _set(session, ours, lease_until=utc_now() + timedelta(seconds=LEASE_S), **values)
        if held and "step" in values:
            episodes.tell(session, ours.episode_id, "processing")
        return held


def finish(session: Session, ours: Claim) -> bool:
    """Mark the job done in the caller's transaction; False when somebody else has it now."""
    return _set(session, ours, state="done", step="done", progress_percent=100, lease_until=None)


def fail(database: Database, ours: Claim, error: XiangyinError) -> None:
    """Give up: the source will never do. The episode says why; its original is kept."""
    with database.write() as session:
        _fail(session, ours, error.message, error.params, error.text)


def postpone(database: Database, ours: Claim, error: Exception) -> None:
    """Try again later; after the third try it fails with what is known."""
    said = error if isinstance(error, XiangyinError) else XiangyinError(GAVE_UP)
    with database.write() as session:
        if ours.tries >= MAX_TRIES:
            _fail(session, ours, said.message, said.params, repr(error))
            return
        later = utc_now() + timedelta(seconds=PAUSE_S * ours.tries)
        _set(session, ours, state="queued", lease_until=later, failure=repr(error)[:500])


def release(database: Database, ours: Claim) -> None:
    """Put it back untouched, at an orderly stop: it does not count as a try."""
    with database.write() as session:
        _set(session, ours, state="queued", lease_until=None, tries=RenderJob.tries - 1)


def _set(session: Session, ours: Claim, **values: object) -> bool:
    return claimed(
        session.execute(
            sa.update(RenderJob)
            .where(
                RenderJob.id == ours.job_id,
                RenderJob.state == "running",
                RenderJob.worker == ours.worker,
                RenderJob.tries == ours.tries,
            )
            .values(**values)
            .execution_options(synchronize_session=False)
        )
    )


def _fail(session: Session, ours: Claim, message: str, params: JsonObject, detail: str) -> None:
    if not _set(session, ours, state="failed", lease_until=None, failure=detail[:500]):
        return
    episode = session.get_one(Episode, ours.episode_id)
    episodes.move(
        session, episode, ("processing",), "failed", failure=message, failure_params=params
    )
