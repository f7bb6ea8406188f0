"""Which job is taken next, and which may pass one that is being decoded."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from core import blobs, clock
from core.blobs import BlobStore
from core.clock import FakeClock, utc_now
from core.database import Database
from recordings.models import Clip
from tests.conftest import on_both_databases
from transcribe import claims, failures, jobs, order
from transcribe.models import TranscriptionJob
from transcribe.order import Standing


def enqueue(
    database: Database,
    store: BlobStore,
    number: int,
    duration_ms: int | None = None,
    priority: int = 50,
) -> int:
    with database.write() as session:
        sha256 = store.put_bytes(b"sound %d" % number)
        blobs.register(session, store, sha256, "audio/wav")
        return jobs.enqueue(
            session, "report", number, sha256, priority=priority, duration_ms=duration_ms
        ).id


def taken(database: Database, count: int) -> list[int]:
    found = [claims.claim(database, "decoder-1") for _ in range(count)]
    return [held.subject_id for held in found if held is not None]


@on_both_databases
def test_of_equals_the_short_go_before_the_long_and_the_urgent_before_both(
    database: Database, store: BlobStore
) -> None:
    enqueue(database, store, 1, 600_000)
    enqueue(database, store, 2, 10_000)
    enqueue(database, store, 3, 180_000)
    enqueue(database, store, 4, 600_000, priority=90)
    assert taken(database, 4) == [4, 2, 3, 1]


def test_after_four_times_its_length_a_long_one_waits_for_nobody_that_comes_new(
    database: Database, store: BlobStore, fake_clock: FakeClock
) -> None:
    enqueue(database, store, 1, 60_000)
    fake_clock.advance(timedelta(seconds=239))
    enqueue(database, store, 2, 100)
    fake_clock.advance(timedelta(seconds=2))
    enqueue(database, store, 3, 100)
    assert taken(database, 3) == [2, 1, 3]


def test_a_length_nobody_gave_is_looked_up(database: Database, store: BlobStore) -> None:
    with database.write() as session:
        sha256 = store.put_bytes(b"sound")
        blobs.register(session, store, sha256, "audio/wav")
        session.add(
            Clip(sha256=sha256, rendition="master", codec="pcm_s16le", duration_ms=7_000,
                 sample_rate_hz=16_000, channels=1, created_at=utc_now())
        )  # fmt: skip
        assert jobs.enqueue(session, "episode", 1, sha256).duration_ms == 7_000


@on_both_databases
def test_the_table_lets_pass_exactly_whom_the_rule_lets_pass(
    database: Database, store: BlobStore, fake_clock: FakeClock
) -> None:
    began_at, kinds = utc_now(), itertools.product((None, 4_000, 15_000, 60_000), (20, 50, 90))
    for number, (duration_ms, priority) in enumerate(kinds):
        enqueue(database, store, 2 * number, duration_ms, priority)
        with clock.use(FakeClock(began_at + timedelta(minutes=4))):
            enqueue(database, store, 2 * number + 1, duration_ms, priority)
    for own_ms in (None, 20_000, 60_000):
        at_work = Standing(50, order.due_rank(began_at, own_ms), own_ms, 1_000)
        with database.read() as session:
            everybody = session.query(TranscriptionJob).all()
            passing = {
                job.id for job in session.query(TranscriptionJob).where(claims._may_pass(at_work))
            }
        assert passing == {
            job.id
            for job in everybody
            if order.may_pass(
                at_work, Standing(job.priority, job.due_rank, job.duration_ms, job.id)
            )
        }


def test_what_broke_a_decoder_stands_behind_what_did_not(
    database: Database, store: BlobStore, fake_clock: FakeClock
) -> None:
    enqueue(database, store, 1, 5_000)
    held = claims.claim(database, "decoder-1")
    assert held is not None
    with database.write() as session:
        jobs.fail(session, held, "decoder_crashed", "", retriable=True)
    fake_clock.advance(timedelta(minutes=1))
    enqueue(database, store, 2, 180_000)
    assert taken(database, 2) == [2, 1]


def test_a_job_whose_model_fails_waits_untried_with_the_reason_and_is_looked_at_again(
    database: Database, store: BlobStore, fake_clock: FakeClock
) -> None:
    job_id = enqueue(database, store, 1, 5_000)
    held = claims.claim(database, "decoder-1")
    assert held is not None
    with database.write() as session:
        jobs.wait_for_model(session, held, "broken: no file")
    with database.read() as session:
        job = session.get_one(TranscriptionJob, job_id)
    assert (job.state, job.tries, job.failure_code) == ("queued", 0, failures.MODEL_FAILS)
    assert claims.claim(database, "decoder-1") is None
    fake_clock.advance(timedelta(seconds=jobs.MODEL_WAIT_S))
    again = claims.claim(database, "decoder-1")
    assert again is not None
    assert again.try_no == 1


@pytest.mark.parametrize("code", failures.FAILURES)
def test_every_reason_is_a_sentence_for_people(code: str) -> None:
    assert failures.FAILURES[code].endswith((".", "?"))
