"""The row is the job: put one in, claim it for a while, finish it, or fail with a name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import bell, outbox
from core.clock import utc_now
from core.database import Database, claimed
from core.errors import N_, Conflict
from transcribe import transcripts
from transcribe.catalogue import InstalledModel
from transcribe.models import Transcript, TranscriptionJob
from transcribe.recogniser import Recognition

BELL = "transcribe"
LEASE_S = 120
MAX_TRIES = 3
PAUSE_S = 5
"""After the first failed try; twice that after the second. Others go first meanwhile."""

PUSH_BACK = 4
"""A sound of ten minutes lets shorter ones of the next forty minutes go first, then no more."""

WORKER_DIED = "worker_died"
FAILURES = {
    WORKER_DIED: N_("The decoder's process died three times while it worked on this sound."),
    "decoder_crashed": N_("The decoder crashed on this sound three times."),
    "decoder_too_slow": N_("Decoding took too long three times: noise or another language?"),
    "decoder_gone": N_("The decoder was gone three times when this sound was its turn."),
    "invalid_input": N_("This is no sound that can be decoded."),
    "not_found": N_("The sound is missing from the store."),
    "tool_failed": N_("The sound could not be brought into the decoder's form."),
    "internal": N_("A fault of the program kept this sound from being decoded."),
}
"""failure_code -> what to tell people (an English template for the translators)."""


@dataclass(frozen=True)
class Claim:
    """A job that is ours until the lease ends; ``try_no`` makes it differ from later claims."""

    job_id: int
    subject_kind: str
    subject_id: int
    audio_sha256: str
    worker: str
    try_no: int


def enqueue(
    session: Session,
    subject_kind: str,
    subject_id: int,
    audio_sha256: str,
    *,
    priority: int = 50,
    duration_ms: int | None = None,
    stream_key: str | None = None,
    area_code: str | None = None,
    language: str | None = None,
) -> TranscriptionJob:
    """Ask for the words of a stored sound; the higher ``priority`` goes first (0-100).

    Within a priority, a sound of known length stands back by ``PUSH_BACK`` times its length.
    While a job for the same subject and sound waits or runs, that one is returned.
    """
    waiting = session.scalar(
        sa.select(TranscriptionJob).where(
            TranscriptionJob.subject_kind == subject_kind,
            TranscriptionJob.subject_id == subject_id,
            TranscriptionJob.audio_sha256 == audio_sha256,
            TranscriptionJob.state.in_(("queued", "running")),
        )
    )
    if waiting is not None:
        return waiting
    now = utc_now()
    job = TranscriptionJob(
        subject_kind=subject_kind,
        subject_id=subject_id,
        audio_sha256=audio_sha256,
        priority=priority,
        duration_ms=duration_ms,
        due_rank=now + timedelta(milliseconds=PUSH_BACK * (duration_ms or 0)),
        stream_key=stream_key,
        area_code=area_code,
        language=language,
        created_at=now,
    )
    session.add(job)
    session.flush()
    _ring_after_commit(session)
    return job


def latest(session: Session, subject_kind: str, subject_id: int) -> TranscriptionJob | None:
    """The newest job of a subject: how its transcription stands."""
    return session.scalar(
        sa.select(TranscriptionJob)
        .where(
            TranscriptionJob.subject_kind == subject_kind,
            TranscriptionJob.subject_id == subject_id,
        )
        .order_by(TranscriptionJob.id.desc())
        .limit(1)
    )


def retry(session: Session, job_id: int) -> TranscriptionJob:
    """Give a failed job three new tries; Conflict unless it has failed."""
    again = session.execute(
        sa.update(TranscriptionJob)
        .where(TranscriptionJob.id == job_id, TranscriptionJob.state == "failed")
        .values(state="queued", tries=0, failure_code=None, failure_detail=None)
        .values(worker=None, lease_until=None, finished_at=None)
    )
    if not claimed(again):
        raise Conflict(N_("Only a transcription that failed can be tried again."))
    _ring_after_commit(session)
    return session.get_one(TranscriptionJob, job_id, populate_existing=True)


def waiting_count(session: Session) -> int:
    """How many jobs wait or run."""
    return session.scalar(
        sa.select(sa.func.count()).where(TranscriptionJob.state.in_(("queued", "running")))
    ) or 0  # fmt: skip


def claim(database: Database, worker: str) -> Claim | None:
    """Take the most urgent job that is due; None when there is none.

    Due is what is queued (a failed try waits a little) and what runs with a lease that ran out.
    """
    while True:
        with database.read() as session:
            found = session.scalar(
                sa.select(TranscriptionJob)
                .where(_due())
                .order_by(
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
                _give_up(session, found.id, found.tries, WORKER_DIED, "the lease ran out")
                continue
            taken = session.execute(
                sa.update(TranscriptionJob)
                .where(
                    TranscriptionJob.id == found.id, TranscriptionJob.tries == found.tries, _due()
                )
                .values(state="running", worker=worker, tries=found.tries + 1)
                .values(lease_until=utc_now() + timedelta(seconds=LEASE_S))
            )
            if claimed(taken):
                return Claim(
                    found.id,
                    found.subject_kind,
                    found.subject_id,
                    found.audio_sha256,
                    worker,
                    found.tries + 1,
                )


def renew(session: Session, held: Claim) -> bool:
    """Prolong the lease; False when the job is no longer ours."""
    return _change(session, held, lease_until=utc_now() + timedelta(seconds=LEASE_S))


def finish(
    session: Session, held: Claim, recognition: Recognition, model: InstalledModel
) -> Transcript | None:
    """Store the transcript, end the job and tell the news in one transaction.

    None when the job is no longer ours: then somebody else's result counts.
    """
    done = _change(
        session,
        held,
        state="done",
        lease_until=None,
        finished_at=utc_now(),
        failure_code=None,
        failure_detail=None,
    )
    if not done:
        return None
    transcript = transcripts.store_heard(
        session, held.subject_kind, held.subject_id, recognition, model
    )
    outbox.emit(
        session,
        "transcript.ready",
        subject_kind=held.subject_kind,
        subject_id=held.subject_id,
        transcript_id=transcript.id,
    )
    return transcript


def fail(session: Session, held: Claim, code: str, detail: str, *, retriable: bool) -> None:
    """A try failed: queue the job again, or, after the third or a hopeless one, fail for good."""
    if not retriable or held.try_no >= MAX_TRIES:
        _give_up(session, held.job_id, held.try_no, code, detail)
        return
    pause = timedelta(seconds=PAUSE_S * 2 ** (held.try_no - 1))
    _change(
        session,
        held,
        state="queued",
        worker=None,
        lease_until=utc_now() + pause,
        failure_detail=f"{code}: {detail}"[:1000],
    )


def release(session: Session, held: Claim) -> None:
    """Give the job back untried, because this worker is asked to stop."""
    if _change(session, held, state="queued", worker=None, lease_until=None, tries=held.try_no - 1):
        _ring_after_commit(session)


def free_own(session: Session, worker: str) -> int:
    """Free what an earlier process called ``worker`` held when it died; its try counts."""
    freed = session.execute(
        sa.update(TranscriptionJob)
        .where(TranscriptionJob.state == "running", TranscriptionJob.worker == worker)
        .values(lease_until=utc_now() - timedelta(seconds=1))
    )
    return getattr(freed, "rowcount", 0)


def _due() -> sa.ColumnElement[bool]:
    now = utc_now()
    free = sa.or_(TranscriptionJob.lease_until.is_(None), TranscriptionJob.lease_until <= now)
    return sa.and_(TranscriptionJob.state.in_(("queued", "running")), free)


def _change(session: Session, held: Claim, **values: Any) -> bool:
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


def _give_up(session: Session, job_id: int, tries: int, code: str, detail: str) -> None:
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
    outbox.emit(
        session,
        "transcript.failed",
        subject_kind=job.subject_kind,
        subject_id=job.subject_id,
        job_id=job_id,
        code=code,
    )


def _ring_after_commit(session: Session) -> None:
    sa.event.listen(session, "after_commit", lambda _session: bell.ring(BELL), once=True)
