"""Monitors learn at once what a person has to look at."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from broadcast import presence
from core import blobs, leases, outbox
from core.blobs import BlobStore
from core.clock import FakeClock
from core.database import Database
from hotline import unfetched
from hotline.journal import locked
from schedule.keeper import LEASE
from tests.web.conftest import SECOND_VILLAGE, VILLAGE, Clients
from tests.web.test_overrides import add_player
from transcribe import failures, jobs
from transcribe.models import TranscriptionJob
from web.deps import Services


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


def test_players_in_contact_are_counted_as_everywhere(
    client: Clients, database: Database, fake_clock: FakeClock
) -> None:
    add_player(database, VILLAGE)
    add_player(database, SECOND_VILLAGE, seen=False)
    browser = client(None)
    assert browser.get("/healthz").json()["players"] == {"enrolled": 2, "online": 1}
    fake_clock.advance(presence.CONNECTED_COUNTS)  # the broker did not live to say that it went
    assert browser.get("/healthz").json()["players"] == {"enrolled": 2, "online": 0}


def test_calls_in_the_spool_are_counted(
    client: Clients, database: Database, data_dir: Path
) -> None:
    (data_dir / "hotline" / "spool" / "call-1").mkdir(parents=True)
    told = client(None).get("/healthz").json()
    assert told["spool"] == {"calls": 1, "waiting_long": 0}
    assert "calls" not in told["problems"]


def test_a_call_that_is_over_and_not_fetched_is_trouble(client: Clients, data_dir: Path) -> None:
    folder = over_for_minutes(data_dir)
    told = client(None).get("/healthz").json()
    assert told["spool"] == {"calls": 1, "waiting_long": 1}
    assert "calls" in told["problems"]
    with locked(folder):  # somebody speaks, or the importer is at it
        assert "calls" not in client(None).get("/healthz").json()["problems"]


def test_a_call_nobody_can_open_is_trouble(
    client: Clients, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over_for_minutes(data_dir)

    def forbidden(_folder: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(unfetched, "locked", forbidden)
    assert "calls" in client(None).get("/healthz").json()["problems"]


def over_for_minutes(data_dir: Path) -> Path:
    folder = data_dir / "hotline" / "spool" / "call-1"
    folder.mkdir(parents=True)
    then = time.time() - unfetched.AFTER_S - 1
    os.utime(folder, (then, then))
    return folder


def test_a_duty_that_keeps_dying_is_trouble(
    client: Clients, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.duties, "dying", lambda: {"hotline-importer": 4})
    told = client(None).get("/healthz").json()
    assert told["dying_duties"] == {"hotline-importer": 4}
    assert "duties" in told["problems"]


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
