"""How much sound waits for the decoders, how long that takes, and when bulk work has to wait.

The pace is measured: milliseconds of decoding per millisecond of sound over the last jobs that
were decoded. Until one was, a decoder is taken to be as slow as the speaker.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import settings
from core.clock import utc_now
from transcribe import order
from transcribe.models import TranscriptionJob
from transcribe.order import Standing

ORDINARY_PRIORITY = 50
ASSUMED_MS = 30_000
"""Length of a message where nobody knows it."""

LAST_ID = (1 << 31) - 1
"""Of two that rank alike, the one that came first goes first."""

PACE_JOBS = 50
"""How many of the last decoded jobs the pace is measured over."""

UNMEASURED_PACE = 1.0
WORKER_SEEN_FOR = timedelta(minutes=10)
"""A decoder counts as working for so long after its last job."""


@dataclass(frozen=True)
class Pressure:
    """``waiting``: jobs that wait or run; ``waiting_sound_ms``: the sound of them all.

    ``expected_wait_s``: until an ordinary message, sent in now, has its words. ``full``: bulk work
    (hearing again, words of episodes) has to wait; a recording is never refused.
    """

    waiting: int
    waiting_sound_ms: int
    expected_wait_s: float
    full: bool


def pressure(session: Session) -> Pressure:
    """How the queue stands now. Its bound is the setting ``queue_full_min``."""
    waiting, sound_ms = _sum(session, sa.true())
    now = utc_now()
    message = Standing(ORDINARY_PRIORITY, order.due_rank(now, ASSUMED_MS), ASSUMED_MS, LAST_ID)
    return Pressure(
        waiting=waiting,
        waiting_sound_ms=sound_ms,
        expected_wait_s=_expected_s(session, message),
        full=sound_ms >= settings.load().queue_full_min * 60_000,
    )


def expected_s(session: Session, job: TranscriptionJob | None) -> float | None:
    """Seconds until this job's words are there, None when it neither waits nor runs."""
    if job is None or job.state not in ("queued", "running"):
        return None
    return _expected_s(
        session, Standing(job.priority, job.due_rank, job.duration_ms or ASSUMED_MS, job.id)
    )


def pace(
    session: Session,
    model_hash: str | None = None,
    *,
    at_least: int = 1,
    unmeasured: float = UNMEASURED_PACE,
) -> float:
    """Seconds a decoder works per second of sound, as measured lately (with one model).

    ``unmeasured`` is returned until ``at_least`` so many jobs were decoded.
    """
    job = TranscriptionJob
    of_model = sa.true() if model_hash is None else job.model_hash == model_hash
    last = (
        sa.select(job.took_ms, job.duration_ms)
        .where(job.state == "done", job.took_ms.is_not(None), job.duration_ms > 0, of_model)
        .order_by(job.id.desc())
        .limit(PACE_JOBS)
        .subquery()
    )
    count, took, sound = session.execute(
        sa.select(sa.func.count(), sa.func.sum(last.c.took_ms), sa.func.sum(last.c.duration_ms))
    ).one()
    return float(took) / float(sound) if count >= max(at_least, 1) else unmeasured


def workers(session: Session) -> int:
    """How many decoders work: those with a job, or with one a short time ago; at least 1."""
    job = TranscriptionJob
    lately = sa.or_(job.state == "running", job.finished_at > utc_now() - WORKER_SEEN_FOR)
    return session.scalar(sa.select(sa.func.count(job.worker.distinct())).where(lately)) or 1


def _expected_s(session: Session, standing: Standing) -> float:
    """Everything that goes first, shared among the decoders, then the sound itself."""
    job = TranscriptionJob
    ahead = sa.or_(
        job.state == "running",
        job.priority > standing.priority,
        sa.and_(
            job.priority == standing.priority,
            sa.tuple_(job.due_rank, job.id)
            < sa.tuple_(sa.literal(standing.due_rank, job.due_rank.type), standing.job_id),
        ),
    )
    _, ahead_ms = _sum(session, sa.and_(ahead, job.id != standing.job_id))
    work_ms = ahead_ms / workers(session) + (standing.duration_ms or ASSUMED_MS)
    return round(work_ms * pace(session) / 1000, 1)


def _sum(session: Session, which: sa.ColumnElement[bool]) -> tuple[int, int]:
    """Number and milliseconds of the waiting and running jobs that fulfil ``which``."""
    job = TranscriptionJob
    count, sound_ms = session.execute(
        sa.select(
            sa.func.count(), sa.func.sum(sa.func.coalesce(job.duration_ms, ASSUMED_MS))
        ).where(job.state.in_(("queued", "running")), which)
    ).one()
    return int(count), int(sound_ms or 0)
