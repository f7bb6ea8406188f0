"""The row is the job: one holder at a time, three tries, then a named failure."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from core import blobs
from core.bell import Bell
from core.blobs import BlobStore
from core.clock import FakeClock
from core.database import Database
from core.errors import Conflict
from core.models import OutboxEvent
from tests.conftest import on_both_databases
from transcribe import catalogue, claims, failures, jobs, transcripts
from transcribe.models import Transcript, TranscriptionJob
from transcribe.recogniser import Recognition, Utterance, Word

HEARD = Recognition((Utterance((Word("停水", 0, 600, 0.9),)),), 700, 8_000)
LEASE = timedelta(seconds=claims.LEASE_S + 1)


def enqueue(database: Database, store: BlobStore, number: int = 1, priority: int = 50) -> int:
    with database.write() as session:
        sha256 = store.put_bytes(b"sound %d" % number)
        blobs.register(session, store, sha256, "audio/wav")
        return jobs.enqueue(session, "report", number, sha256, priority=priority).id


def job(database: Database, job_id: int) -> TranscriptionJob:
    with database.read() as session:
        return session.get_one(TranscriptionJob, job_id)


def news(database: Database) -> list[tuple[str, object]]:
    with database.read() as session:
        return [
            (event.kind, event.payload)
            for event in session.scalars(sa.select(OutboxEvent).order_by(OutboxEvent.id))
        ]


def claim(database: Database, worker: str = "decoder-1") -> claims.Claim:
    held = claims.claim(database, worker)
    assert held is not None
    return held


@on_both_databases
def test_a_finished_job_leaves_its_transcript_and_news_of_it(
    database: Database, store: BlobStore
) -> None:
    job_id = enqueue(database, store)
    held = claim(database)
    assert (held.subject_kind, held.subject_id, held.try_no) == ("report", 1, 1)
    assert claims.claim(database, "decoder-2") is None
    with database.write() as session:
        transcript = jobs.finish(session, held, HEARD, catalogue.starter())
    assert transcript is not None
    assert job(database, job_id).state == "done"
    assert news(database) == [
        (
            "transcript.ready",
            {"subject_kind": "report", "subject_id": 1, "transcript_id": transcript.id},
        )
    ]
    assert claims.claim(database, "decoder-1") is None


def test_transcript_end_and_news_come_together_or_not_at_all(
    database: Database, store: BlobStore
) -> None:
    job_id = enqueue(database, store)
    held = claim(database)

    class PowerCut(Exception):
        pass

    with pytest.raises(PowerCut), database.write() as session:
        jobs.finish(session, held, HEARD, catalogue.starter())
        raise PowerCut
    assert job(database, job_id).state == "running"
    assert news(database) == []
    with database.read() as session:
        assert transcripts.latest(session, "report", 1) is None


def test_the_urgent_go_first_then_the_older(
    database: Database, store: BlobStore, fake_clock: FakeClock
) -> None:
    for number, priority in ((1, 20), (2, 50), (3, 50), (4, 90)):
        enqueue(database, store, number, priority)
        fake_clock.advance(timedelta(seconds=1))
    assert [claim(database).subject_id for _ in range(4)] == [4, 2, 3, 1]


def test_the_same_sound_asked_for_twice_is_one_job(database: Database, store: BlobStore) -> None:
    assert enqueue(database, store) == enqueue(database, store)


def test_enqueue_rings_the_decoders_only_after_the_commit(
    database: Database, store: BlobStore
) -> None:
    with Bell(jobs.BELL) as bell:
        with database.write() as session:
            sha256 = store.put_bytes(b"sound")
            blobs.register(session, store, sha256, "audio/wav")
            jobs.enqueue(session, "report", 1, sha256)
            assert not bell.wait(0.05)
        assert bell.wait(5)


@on_both_databases
def test_each_job_is_claimed_by_exactly_one_of_many(database: Database, store: BlobStore) -> None:
    for number in range(12):
        enqueue(database, store, number)
    taken: list[claims.Claim] = []
    gate = threading.Barrier(4)

    def take_all(name: str) -> None:
        gate.wait()
        while held := claims.claim(database, name):
            taken.append(held)

    threads = [threading.Thread(target=take_all, args=(f"decoder-{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(held.subject_id for held in taken) == list(range(12))


def test_a_lease_that_ran_out_is_claimed_again_and_the_late_holder_changes_nothing(
    database: Database, store: BlobStore, fake_clock: FakeClock
) -> None:
    enqueue(database, store)
    late = claim(database, "decoder-1")
    fake_clock.advance(LEASE)
    held = claim(database, "decoder-2")
    assert held.try_no == 2
    with database.write() as session:
        assert not claims.renew(session, late)
        assert jobs.finish(session, late, HEARD, catalogue.starter()) is None
        jobs.fail(session, late, "decoder_crashed", "late", retriable=True)
        assert jobs.finish(session, held, HEARD, catalogue.starter()) is not None
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Transcript)) == 1


def test_an_earlier_try_of_the_same_worker_is_not_its_present_one(
    database: Database, store: BlobStore, fake_clock: FakeClock
) -> None:
    enqueue(database, store)
    early = claim(database)
    fake_clock.advance(LEASE)
    assert claim(database).try_no == 2
    with database.write() as session:
        assert jobs.finish(session, early, HEARD, catalogue.starter()) is None


def test_a_renewed_lease_is_not_claimed(
    database: Database, store: BlobStore, fake_clock: FakeClock
) -> None:
    enqueue(database, store)
    held = claim(database)
    for _ in range(3):
        fake_clock.advance(timedelta(seconds=claims.LEASE_S - 1))
        with database.write() as session:
            assert claims.renew(session, held)
        assert claims.claim(database, "decoder-2") is None


@on_both_databases
def test_three_failed_tries_are_a_named_failure_that_is_told(
    database: Database, store: BlobStore, fake_clock: FakeClock
) -> None:
    job_id = enqueue(database, store)
    for number in (1, 2, 3):
        held = claim(database)
        assert held.try_no == number
        with database.write() as session:
            jobs.fail(session, held, "decoder_crashed", "signal 6", retriable=True)
        fake_clock.advance(timedelta(minutes=1))
    assert claims.claim(database, "decoder-1") is None
    failed = job(database, job_id)
    assert (failed.state, failed.failure_code, failed.tries) == ("failed", "decoder_crashed", 3)
    assert failed.failure_detail == "signal 6"
    assert news(database) == [
        (
            "transcript.failed",
            {
                "subject_kind": "report",
                "subject_id": 1,
                "job_id": job_id,
                "code": "decoder_crashed",
            },
        )
    ]


def test_between_two_tries_the_others_go_first(
    database: Database, store: BlobStore, fake_clock: FakeClock
) -> None:
    enqueue(database, store, 1)
    held = claim(database)
    with database.write() as session:
        jobs.fail(session, held, "decoder_crashed", "", retriable=True)
    assert claims.claim(database, "decoder-1") is None
    fake_clock.advance(timedelta(seconds=jobs.PAUSE_S))
    enqueue(database, store, 2, priority=10)
    assert claim(database).subject_id == 1


def test_what_cannot_get_better_fails_at_once(database: Database, store: BlobStore) -> None:
    job_id = enqueue(database, store)
    held = claim(database)
    with database.write() as session:
        jobs.fail(session, held, "invalid_input", "no sound", retriable=False)
    assert (job(database, job_id).state, job(database, job_id).tries) == ("failed", 1)


def test_workers_that_die_three_times_over_a_sound_are_a_named_failure(
    database: Database, store: BlobStore, fake_clock: FakeClock
) -> None:
    job_id = enqueue(database, store, 1)
    for _ in range(3):
        claim(database)
        fake_clock.advance(LEASE)
    enqueue(database, store, 2)
    assert claim(database).subject_id == 2
    assert job(database, job_id).failure_code == failures.WORKER_DIED
    assert [kind for kind, _ in news(database)] == ["transcript.failed"]


def test_a_worker_that_comes_back_frees_its_own_leases_at_once_and_only_those(
    database: Database, store: BlobStore
) -> None:
    enqueue(database, store, 1)
    enqueue(database, store, 2)
    assert claim(database, "decoder-1").subject_id == 1
    assert claim(database, "decoder-2").subject_id == 2
    with database.write() as session:
        assert claims.free_own(session, "decoder-1") == 1
    held = claim(database, "decoder-1")
    assert (held.subject_id, held.try_no) == (1, 2)
    assert claims.claim(database, "decoder-1") is None


def test_a_job_given_back_has_lost_no_try(database: Database, store: BlobStore) -> None:
    enqueue(database, store)
    for _ in range(5):
        held = claim(database)
        assert held.try_no == 1
        with database.write() as session:
            claims.release(session, held)


def test_a_failed_job_can_be_tried_again_by_a_person(database: Database, store: BlobStore) -> None:
    job_id = enqueue(database, store)
    with database.write() as session, pytest.raises(Conflict):
        jobs.retry(session, job_id)
    held = claim(database)
    with database.write() as session:
        jobs.fail(session, held, "invalid_input", "", retriable=False)
    with database.write() as session:
        again = jobs.retry(session, job_id)
        assert (again.state, again.tries, again.failure_code) == ("queued", 0, None)
    assert claim(database).try_no == 1


def test_every_failure_has_words_for_people() -> None:
    from transcribe import decoder

    codes = {
        kind.code
        for kind in vars(decoder).values()
        if isinstance(kind, type) and issubclass(kind, decoder.DecoderFailed)
    } - {"decoder_failed"}
    assert codes <= jobs.FAILURES.keys()
