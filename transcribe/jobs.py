"""The row is the job: put one in, claim it for a while, finish it, or fail with a name."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from core import bell, outbox
from core.clock import utc_now
from core.database import claimed
from core.errors import N_, Conflict
from recordings.models import Clip
from transcribe import claims, order, stream, transcripts
from transcribe.catalogue import InstalledModel
from transcribe.claims import Claim
from transcribe.failures import FAILURES as FAILURES
from transcribe.failures import MODEL_FAILS
from transcribe.models import Transcript, TranscriptionJob
from transcribe.pressure import Pressure as Pressure
from transcribe.pressure import expected_s as expected_s
from transcribe.pressure import pressure as pressure
from transcribe.recogniser import STANDARD, DecoderConfig, Recognition

BELL = stream.BELL
PAUSE_S = 5
"""After the first failed try; twice that after the second. Others go first meanwhile."""

MODEL_WAIT_S = 60
"""A job whose model does not load is looked at again after this."""


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
    model_hash: str | None = None,
) -> TranscriptionJob:
    """Ask for the words of a stored sound; the higher ``priority`` goes first (0-100).

    Within a priority, a sound stands back by its length (transcribe.order); where ``duration_ms``
    is not given it is looked up. ``model_hash``: the model that shall hear it, kept for the record.
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
    if duration_ms is None:
        clip = session.get(Clip, audio_sha256)
        duration_ms = clip.duration_ms if clip else None
    now = utc_now()
    job = TranscriptionJob(
        subject_kind=subject_kind,
        subject_id=subject_id,
        audio_sha256=audio_sha256,
        priority=priority,
        duration_ms=duration_ms,
        due_rank=order.due_rank(now, duration_ms),
        stream_key=stream_key,
        area_code=area_code,
        language=language,
        model_hash=model_hash,
        created_at=now,
    )
    session.add(job)
    session.flush()
    bell.ring_after_commit(session, BELL)
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
        .values(worker=None, lease_until=None, finished_at=None, due_rank=utc_now())
    )
    if not claimed(again):
        raise Conflict(N_("Only a transcription that failed can be tried again."))
    bell.ring_after_commit(session, BELL)
    return session.get_one(TranscriptionJob, job_id, populate_existing=True)


def finish(
    session: Session,
    held: Claim,
    recognition: Recognition,
    model: InstalledModel,
    config: DecoderConfig = STANDARD,
    *,
    took_ms: int | None = None,
) -> Transcript | None:
    """Store the transcript, end the job and tell the news in one transaction.

    ``took_ms``: what decoding took, None when the words were known. Returns None when the job is
    no longer ours: then somebody else's result counts.
    """
    done = claims.change(
        session,
        held,
        state="done",
        lease_until=None,
        finished_at=utc_now(),
        duration_ms=recognition.duration_ms,
        model_hash=model.tree_hash,
        took_ms=took_ms,
        failure_code=None,
        failure_detail=None,
    )
    if not done:
        return None
    transcript = transcripts.store_heard(
        session, held.subject_kind, held.subject_id, recognition, model, config
    )
    outbox.emit(
        session,
        "transcript.ready",
        subject_kind=held.subject_kind,
        subject_id=held.subject_id,
        transcript_id=transcript.id,
    )
    return transcript


def fail(
    session: Session,
    held: Claim,
    code: str,
    detail: str,
    *,
    retriable: bool,
    model_hash: str | None = None,
) -> None:
    """A try failed: queue the job again, or, after the third or a hopeless one, fail for good.

    For its next try it stands back behind what has not failed. ``model_hash``: who tried.
    """
    if model_hash is not None:
        claims.change(session, held, model_hash=model_hash)
    if not retriable or held.try_no >= claims.MAX_TRIES:
        claims.give_up(session, held.job_id, held.try_no, code, detail)
        return
    pause = timedelta(seconds=PAUSE_S * 2 ** (held.try_no - 1))
    claims.change(
        session,
        held,
        state="queued",
        worker=None,
        lease_until=utc_now() + pause,
        due_rank=order.suspect_rank(utc_now(), held.standing.duration_ms),
        failure_detail=f"{code}: {detail}"[:1000],
    )


def wait_for_model(session: Session, held: Claim, detail: str) -> None:
    """Queue the job again, untried, because its model does not load; people see that reason."""
    claims.change(
        session,
        held,
        state="queued",
        worker=None,
        lease_until=utc_now() + timedelta(seconds=MODEL_WAIT_S),
        tries=held.try_no - 1,
        failure_code=MODEL_FAILS,
        failure_detail=detail[:1000],
    )
