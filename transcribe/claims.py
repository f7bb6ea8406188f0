"""A job taken by one worker: for as long as its lease lasts nobody else has it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import outbox
from core.clock import utc_now
from core.database import Database, claimed
from transcribe import order, transcripts
from transcribe.failures import WORKER_DIED
from transcribe.models import TranscriptionJob
from transcribe.order import Standing

LEASE_S = 120
MAX_TRIES = 3


@dataclass(frozen=True)
class Claim:
    """A job that is ours until the lease ends; ``try_no`` makes it differ from later claims."""

    job_id: int
    subject_kind: str
    subject_id: int
    audio_sha256: str
    worker: str
    try_no: int
    standing: Standing
    stream_key: str | None = None
    area_code: str | None = None
    language: str | None = None


def claim(
    database: Database,
    worker: str,
    *,
    passing: Standing | None = None,
    streamed: Collection[str] = (),
) -> Claim | None:
    """Take the most urgent job that is due; None when there is none.

    Due is what is queued (a failed try waits a little) and what runs with a lease that ran out.
    ``passing``: take only what may pass this sound, which is being decoded (order.may_pass).
    ``streamed``: keys of streams that were heard live; their jobs cost nothing and go first.
    """
    free = TranscriptionJob.stream_key.in_(streamed) if streamed else sa.false()
    due = _due(free)
    allowed = sa.true() if passing is None else sa.or_(_may_pass(passing), free)
    while True:
        with database.read() as session:
            found = session.scalar(
                sa.select(TranscriptionJob)
                .where(due, allowed)
                .order_by(
                    *([sa.case((free, 0), else_=1)] if streamed else []),
                    TranscriptionJob.priority.desc(),
                    TranscriptionJob.due_rank,
                    TranscriptionJob.id,
                )
                .limit(1)
            )
        if found is None:
            return None
        with database.write() as session:
            if found.tries >= MAX_TRIES:
                give_up(session, found.id, found.tries, WORKER_DIED, "the lease ran out")
                continue
            taken = session.execute(
                sa.update(TranscriptionJob)
                .where(TranscriptionJob.id == found.id, TranscriptionJob.tries == found.tries, due)
                .values(state="running", worker=worker, tries=found.tries + 1)
                .values(lease_until=utc_now() + timedelta(seconds=LEASE_S))
            )
            if claimed(taken):
                return _claim(found, worker)


def _claim(found: TranscriptionJob, worker: str) -> Claim:
    return Claim(
        found.id,
        found.subject_kind,
        found.subject_id,
        found.audio_sha256,
        worker,
        found.tries + 1,
        Standing(found.priority, found.due_rank, found.duration_ms, found.id),
        found.stream_key,
        found.area_code,
        found.language,
    )


def renew(session: Session, held: Claim) -> bool:
    """Prolong the lease; False when the job is no longer ours."""
    return change(session, held, lease_until=utc_now() + timedelta(seconds=LEASE_S))


def release(session: Session, held: Claim) -> bool:
    """Give the job back untried, because this worker is asked to stop; False when not ours."""
    return change(
        session, held, state="queued", worker=None, lease_until=None, tries=held.try_no - 1
    )


def free_own(session: Session, worker: str) -> int:
    """Free what an earlier process called ``worker`` held when it died; its try counts."""
    freed = session.execute(
        sa.update(TranscriptionJob)
        .where(TranscriptionJob.state == "running", TranscriptionJob.worker == worker)
        .values(lease_until=utc_now() - timedelta(seconds=1))
    )
    return getattr(freed, "rowcount", 0)


def put_back(session: Session, held: Claim, pause_s: float) -> bool:
    """Give the job back untried for ``pause_s``, since its sound is still being heard live."""
    until = utc_now() + timedelta(seconds=pause_s)
    return change(
        session, held, state="queued", worker=None, lease_until=until, tries=held.try_no - 1
    )


def _due(free: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """``free``: a job that costs nothing waits for nothing while it is queued."""
    job, now = TranscriptionJob, utc_now()
    unheld = sa.or_(job.lease_until.is_(None), job.lease_until <= now)
    queued = sa.and_(job.state == "queued", free)
    return sa.and_(job.state.in_(("queued", "running")), sa.or_(unheld, queued))


def _may_pass(at_work: Standing) -> sa.ColumnElement[bool]:
    """``order.may_pass`` as a condition of the table."""
    job = TranscriptionJob
    urgent = job.priority > at_work.priority
    if at_work.duration_ms is None:
        return urgent
    short = sa.and_(
        job.priority == at_work.priority,
        job.due_rank < at_work.due_rank,
        job.duration_ms * order.SHORTER_BY <= at_work.duration_ms,
    )
    return sa.or_(urgent, short)


def change(session: Session, held: Claim, **values: Any) -> bool:
    """Change the job if it is still ours."""
    return claimed(
        session.execute(
            sa.update(TranscriptionJob)
            .where(
                TranscriptionJob.id == held.job_id,
                TranscriptionJob.state == "running",
                TranscriptionJob.worker == held.worker,
                TranscriptionJob.tries == held.try_no,
            )
            .values(**values)
        )
    )


def give_up(session: Session, job_id: int, tries: int, code: str, detail: str) -> None:
    failed = session.execute(
        sa.update(TranscriptionJob)
        .where(
            TranscriptionJob.id == job_id,
            TranscriptionJob.tries == tries,
            TranscriptionJob.state.in_(("queued", "running")),
        )
        .values(state="failed", lease_until=None, finished_at=utc_now())
        .values(failure_code=code, failure_detail=detail[:1000])
    )
    if not claimed(failed):
        return
    job = session.get_one(TranscriptionJob, job_id)
    if transcripts.newest_heard(session, job.subject_kind, job.subject_id) is not None:
        return  # heard again in vain: the words of the earlier model stay, nobody need act
    outbox.emit(
        session,
        "transcript.failed",
        subject_kind=job.subject_kind,
        subject_id=job.subject_id,
        job_id=job_id,
        code=code,
    )
