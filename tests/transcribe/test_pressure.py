"""How much waits, how long it takes, and when bulk work has to wait."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core import blobs
from core.blobs import BlobStore
from core.clock import FakeClock
from core.database import Database
from core.settings import Settings
from tests.conftest import on_both_databases
from transcribe import catalogue, claims, jobs, pressure
from transcribe.models import TranscriptionJob
from transcribe.recogniser import Recognition

MINUTE_MS = 60_000


def ask(
    database: Database, store: BlobStore, number: int, duration_ms: int | None, priority: int = 50
) -> int:
    with database.write() as session:
        sha256 = store.put_bytes(b"sound %d" % number)
        blobs.register(session, store, sha256, "audio/wav")
        return jobs.enqueue(
            session, "report", number, sha256, duration_ms=duration_ms, priority=priority
        ).id


def decode(database: Database, worker: str, duration_ms: int, took_ms: int | None) -> None:
    held = claims.claim(database, worker)
    assert held is not None
    heard = Recognition((), duration_ms, 8_000, "silent")
    with database.write() as session:
        jobs.finish(session, held, heard, catalogue.starter(), took_ms=took_ms)


def expected(database: Database, job_id: int) -> float | None:
    with database.read() as session:
        return jobs.expected_s(session, session.get_one(TranscriptionJob, job_id))


def test_until_something_was_decoded_a_decoder_is_as_slow_as_the_speaker(
    database: Database, store: BlobStore
) -> None:
    assert expected(database, ask(database, store, 1, 20_000)) == 20.0


@on_both_databases
def test_the_wait_is_what_goes_first_at_the_pace_that_was_measured(
    database: Database, store: BlobStore, fake_clock: FakeClock
) -> None:
    for number in (1, 2):
        ask(database, store, number, 10_000)
        decode(database, "decoder-1", 10_000, 1_000)
    short, long = ask(database, store, 3, 10_000), ask(database, store, 4, 10 * MINUTE_MS)
    urgent = ask(database, store, 5, 20_000, priority=90)
    assert expected(database, urgent) == 2.0
    assert expected(database, short) == 3.0
    assert expected(database, long) == 63.0


def test_two_decoders_that_work_share_what_waits(database: Database, store: BlobStore) -> None:
    for number in (1, 2):
        ask(database, store, number, 10_000)
        decode(database, f"decoder-{number}", 10_000, 1_000)
    ask(database, store, 3, 10_000)
    assert expected(database, ask(database, store, 4, 20_000)) == 2.5


def test_words_that_were_known_already_do_not_count_for_the_pace(
    database: Database, store: BlobStore
) -> None:
    ask(database, store, 1, 10_000)
    decode(database, "decoder-1", 10_000, 5_000)
    ask(database, store, 2, 10_000)
    decode(database, "decoder-1", 10_000, None)
    assert expected(database, ask(database, store, 3, 10_000)) == 5.0


def test_a_job_that_is_over_has_no_wait(
    database: Database, store: BlobStore, fake_clock: FakeClock
) -> None:
    job_id = ask(database, store, 1, 10_000)
    decode(database, "decoder-1", 10_000, 1_000)
    assert expected(database, job_id) is None
    with database.read() as session:
        assert jobs.expected_s(session, None) is None


@pytest.mark.parametrize(("minutes", "is_full"), [(119, False), (120, True)])
def test_the_queue_is_full_at_its_bound_and_a_recording_is_taken_all_the_same(
    database: Database, store: BlobStore, config: Settings, minutes: int, is_full: bool
) -> None:
    ask(database, store, 1, minutes * MINUTE_MS)
    with database.read() as session:
        found = jobs.pressure(session)
    assert (found.waiting, found.waiting_sound_ms) == (1, minutes * MINUTE_MS)
    assert found.full is is_full
    assert ask(database, store, 2, 10_000)


def test_a_message_sent_in_now_does_not_wait_for_bulk_work(
    database: Database, store: BlobStore, fake_clock: FakeClock
) -> None:
    ask(database, store, 1, 60 * MINUTE_MS, priority=10)
    with database.read() as session:
        assert jobs.pressure(session).expected_wait_s == 30.0
    fake_clock.advance(timedelta(seconds=1))
    ask(database, store, 2, 10_000)
    with database.read() as session:
        assert jobs.pressure(session).expected_wait_s == 40.0


def test_the_pace_of_a_model_is_its_own_and_needs_enough_jobs(
    database: Database, store: BlobStore
) -> None:
    starter = catalogue.starter().tree_hash
    for number in (1, 2):
        ask(database, store, number, 10_000)
        decode(database, "decoder-1", 10_000, 1_000)
    with database.read() as session:
        assert pressure.pace(session, starter, at_least=2) == pytest.approx(0.1)
        assert pressure.pace(session, starter, at_least=3) == pressure.UNMEASURED_PACE
        assert pressure.pace(session, "another") == pressure.UNMEASURED_PACE
