"""Monitors learn at once what a person has to look at."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from core import blobs, leases, outbox
from core.blobs import BlobStore
from core.clock import FakeClock
from core.database import Database
from schedule.keeper import LEASE
from tests.web.conftest import Clients
from transcribe import failures, jobs
from transcribe.models import TranscriptionJob


def test_all_is_well_while_the_scheduler_is_held(client: Clients, database: Database) -> None:
    leases.hold(database, LEASE, "one", 60)
    answer = client(None).get("/healthz")
    assert answer.status_code == 200
    told = answer.json()
    assert (told["status"], told["database"], told["scheduler"]) == ("ok", "ok", "held")
    assert told["disk_free_mb"] > 0


def test_nobody_at_the_scheduler_is_trouble(client: Clients) -> None:
    answer = client(None).get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["problems"] == ["scheduler"]


def test_news_that_waits_long_is_trouble(
    client: Clients, database: Database, fake_clock: FakeClock
) -> None:
    with database.write() as session:
        outbox.emit(session, "play.changed", play_id=1)
    fake_clock.advance(timedelta(minutes=6))
    told = client(None).get("/healthz").json()
    assert told["outbox"]["waiting_long"] == 1
    assert "outbox" in told["problems"]


def test_an_absent_database_is_told_not_thrown(
    client: Clients, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> None:
        raise sa.exc.OperationalError("SELECT", {}, Exception("unable to open database file"))

    browser = client(None)
    monkeypatch.setattr(Database, "read", lambda _self: gone())
    answer = browser.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["database"] == "away"


def test_calls_in_the_spool_are_counted(
    client: Clients, database: Database, data_dir: Path
) -> None:
    (data_dir / "hotline" / "spool" / "call-1").mkdir(parents=True)
    assert client(None).get("/healthz").json()["spool"] == {"calls": 1}


def test_how_much_sound_waits_is_told_and_a_model_that_fails_is_trouble(
    client: Clients, database: Database, store: BlobStore
) -> None:
    with database.write() as session:
        sha256 = store.put_bytes(b"sound")
        blobs.register(session, store, sha256, "audio/wav")
        job = jobs.enqueue(session, "report", 1, sha256, duration_ms=20_000)
    told = client(None).get("/healthz").json()
    assert (told["waiting_sound_s"], told["queue_is_full"]) == (20, False)
    assert told["transcript_expected_in_s"] == 50.0
    assert "model" not in told["problems"]
    with database.write() as session:
        session.get_one(TranscriptionJob, job.id).failure_code = failures.MODEL_FAILS
    assert "model" in client(None).get("/healthz").json()["problems"]
