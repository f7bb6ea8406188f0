"""Short and urgent sounds pass a long one at the only decoder; the long one goes on after them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from core.blobs import BlobStore
from core.clock import utc_now
from core.database import Database
from tests.transcribe.conftest import Spoken, pcm, write_wav
from tests.transcribe.working import Process, ask, state, text, wait_for
from transcribe import claims, order
from transcribe.decoder import Decoder
from transcribe.models import Hearing, TranscriptionJob
from transcribe.worker import Worker

LONG_MS, SHORT_MS = 300_000, 5_000


@pytest.fixture(scope="session")
def endless(spoken: Spoken, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sentence for half an hour: long enough for whatever a test does meanwhile."""
    path = tmp_path_factory.mktemp("endless") / "endless.wav"
    return write_wav(path, pcm(spoken.wide) * 460, 16_000)


def job(database: Database, job_id: int) -> TranscriptionJob:
    with database.read() as session:
        return session.get_one(TranscriptionJob, job_id)


def stopped(process: Process) -> list[psutil.Process]:
    """The children that stand still."""
    return [one for one in process.decoding() if one.status() == psutil.STATUS_STOPPED]


@pytest.mark.slow
def test_a_short_sound_passes_a_long_one_that_is_being_decoded_and_both_get_their_words(
    database: Database, store: BlobStore, spoken: Spoken, long_sound: Path,
    start: Callable[..., Process],
) -> None:  # fmt: skip
    long = ask(database, store, 1, long_sound, duration_ms=LONG_MS)
    process = start()
    process.ready()
    wait_for(lambda: bool(process.decoding()), "decoding")
    ask(database, store, 2, spoken.wide, duration_ms=SHORT_MS)
    wait_for(lambda: text(database, 2) is not None, "the short one")
    assert state(database, long) == "running"
    wait_for(lambda: state(database, long) == "done", "the long one")
    assert job(database, long).tries == 1
    assert text(database, 1) is not None
    assert text(database, 2) == spoken.text


@pytest.mark.slow
def test_an_urgent_sound_of_any_length_passes_and_one_of_less_weight_does_not(
    database: Database, store: BlobStore, spoken: Spoken, endless: Path,
    start: Callable[..., Process],
) -> None:  # fmt: skip
    long = ask(database, store, 1, endless, duration_ms=10 * SHORT_MS)
    process = start()
    process.ready()
    wait_for(lambda: bool(process.decoding()), "decoding")
    bulk = ask(database, store, 2, spoken.telephone, duration_ms=100, priority=20)
    ask(database, store, 3, spoken.wide, duration_ms=9 * SHORT_MS, priority=90)
    wait_for(lambda: text(database, 3) is not None, "the urgent one")
    assert (state(database, long), state(database, bulk)) == ("running", "queued")


def test_the_sound_that_stands_still_keeps_its_lease_and_goes_on(
    database: Database, store: BlobStore, spoken: Spoken, long_sound: Path, endless: Path,
    here: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("transcribe.watch.RENEW_S", 0.1)
    monkeypatch.setattr(order, "FREE_PAUSE_MS", 3_600_000)
    orders: list[str] = []

    class Watched(Decoder):
        def pause(self, task: str) -> None:
            orders.append(f"pause {task}")
            super().pause(task)

        def resume(self, task: str) -> None:
            orders.append(f"resume {task}")
            super().resume(task)

    long = ask(database, store, 1, long_sound, duration_ms=LONG_MS)
    here(Watched)
    wait_for(lambda: state(database, long) == "running", "decoding")
    urgent = ask(database, store, 2, endless, priority=90)
    wait_for(lambda: orders == [f"pause job-{long}"], "standing still")
    with database.write() as session:
        session.get_one(TranscriptionJob, long).lease_until = utc_now() - timedelta(seconds=1)
    wait_for(lambda: (job(database, long).lease_until or utc_now()) > utc_now(), "the renewal")
    assert state(database, urgent) == "running"
    assert claims.claim(database, "decoder-2") is None
    with database.write() as session:  # somebody else takes the urgent one
        session.get_one(TranscriptionJob, urgent).worker = "elsewhere"
    wait_for(lambda: state(database, long) == "done", "going on")
    assert orders == [f"pause job-{long}", f"resume job-{long}"]
    assert job(database, long).tries == 1


@pytest.mark.slow
def test_only_one_sound_stands_still_at_a_time(
    database: Database, store: BlobStore, spoken: Spoken, endless: Path,
    start: Callable[..., Process],
) -> None:  # fmt: skip
    ask(database, store, 1, endless, duration_ms=1_800_000)
    process = start()
    process.ready()
    wait_for(lambda: bool(process.decoding()), "decoding")
    second = write_wav(endless.parent / "second.wav", pcm(endless)[:-320], 16_000)
    ask(database, store, 2, second, duration_ms=400_000, priority=60)
    wait_for(lambda: len(stopped(process)) == 1, "standing still")
    most_urgent = ask(database, store, 3, spoken.wide, duration_ms=SHORT_MS, priority=90)
    with pytest.raises(AssertionError):
        _brief_wait(lambda: state(database, most_urgent) != "queued")
    assert len(stopped(process)) == 1


def _brief_wait(true: Callable[[], bool]) -> None:
    """As wait_for, but for something that must not happen: five looks of a decoder."""
    for _ in range(25):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError


@pytest.mark.slow
def test_a_worker_killed_while_one_stands_still_loses_neither(
    database: Database, store: BlobStore, spoken: Spoken, long_sound: Path, endless: Path,
    start: Callable[..., Process],
) -> None:  # fmt: skip
    long = ask(database, store, 1, long_sound, duration_ms=LONG_MS)
    process = start()
    process.ready()
    wait_for(lambda: bool(process.decoding()), "decoding")
    short = write_wav(endless.parent / "short.wav", pcm(spoken.wide) * 60, 16_000)
    passing = ask(database, store, 2, short, duration_ms=SHORT_MS)
    wait_for(lambda: len(stopped(process)) == 1, "standing still")
    orphans = process.decoding()
    process.end(9)
    psutil.wait_procs(orphans, timeout=5)
    assert not any(orphan.is_running() for orphan in orphans)
    start().ready()
    wait_for(lambda: state(database, long) == state(database, passing) == "done", "both")


def test_a_worker_asked_to_stop_while_one_stands_still_gives_both_back_untried(
    database: Database, store: BlobStore, endless: Path, here: Callable[..., Worker],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(order, "FREE_PAUSE_MS", 3_600_000)
    long = ask(database, store, 1, endless, duration_ms=1_800_000)
    worker = here()
    wait_for(lambda: state(database, long) == "running", "decoding")
    second = write_wav(endless.parent / "urgent.wav", pcm(endless)[:-640], 16_000)
    urgent = ask(database, store, 2, second, priority=90)
    wait_for(lambda: state(database, urgent) == "running", "standing still")
    (thread,) = (one for one in threading.enumerate() if "run_forever" in one.name)
    worker.stop()
    wait_for(lambda: not thread.is_alive(), "the end")
    for number in (long, urgent):
        assert (state(database, number), job(database, number).tries) == ("queued", 0)


def test_the_same_sound_is_decoded_once_for_all_who_send_it(
    database: Database, store: BlobStore, spoken: Spoken, here: Callable[..., Worker]
) -> None:
    asked: list[Path] = []

    class Counted(Decoder):
        def decode(self, wav: Path, **options: object):  # type: ignore[no-untyped-def,override]
            asked.append(wav)
            return super().decode(wav, **options)  # type: ignore[arg-type]

    first = ask(database, store, 1, spoken.wide)
    here(Counted)
    wait_for(lambda: text(database, 1) is not None, "the first")
    tagged = spoken.wide.parent / "tagged.wav"
    tagged.write_bytes(spoken.wide.read_bytes() + b"LIST\x04\x00\x00\x00more")
    second = ask(database, store, 2, tagged)
    wait_for(lambda: text(database, 2) is not None, "the second")
    assert len(asked) == 1
    assert text(database, 2) == text(database, 1) == spoken.text
    assert job(database, first).took_ms is not None
    assert job(database, second).took_ms is None
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Hearing)) == 1
