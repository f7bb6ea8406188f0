"""Decoders at work: processes killed at bad moments lose nothing and do nothing twice."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from core.blobs import BlobStore
from core.database import Database
from core.errors import InvalidInput
from core.models import OutboxEvent
from core.settings import Settings
from tests.transcribe.conftest import Spoken, write_wav
from tests.transcribe.working import Process, ask, state, text, wait_for
from transcribe import catalogue, install, jobs, transcripts
from transcribe.decoder import Decoder
from transcribe.models import Transcript, TranscriptionJob
from transcribe.recogniser import Recognition
from transcribe.worker import Worker


def test_a_worker_writes_the_words_of_what_is_queued_before_and_while_it_runs(
    database: Database, store: BlobStore, spoken: Spoken, start: Callable[..., Process]
) -> None:
    ask(database, store, 1, spoken.telephone)
    process = start()
    process.ready()
    ask(database, store, 2, spoken.original)
    wait_for(lambda: text(database, 1) is not None and text(database, 2) is not None, "both")
    assert text(database, 1) == text(database, 2) == spoken.text
    with database.read() as session:
        heard = transcripts.heard(session, "report", 1)
        assert heard is not None
        assert heard.decoder is not None
        assert heard.decoder["sample_rate_hz"] == 8_000
        kinds = session.scalars(sa.select(OutboxEvent.kind)).all()
    assert kinds == ["transcript.ready", "transcript.ready"]
    assert process.end() == 0
    log = process.log.read_text()
    assert "NOT people" in log
    assert spoken.text not in log


@pytest.mark.slow
def test_a_worker_killed_amid_a_sound_takes_it_up_again_as_soon_as_it_is_back(
    database: Database, store: BlobStore, long_sound: Path, start: Callable[..., Process]
) -> None:
    job_id = ask(database, store, 1, long_sound)
    process = start()
    process.ready()
    wait_for(lambda: bool(process.decoding()), "decoding")
    orphans = process.decoding()
    process.end(signal.SIGKILL)
    assert state(database, job_id) == "running"
    psutil.wait_procs(orphans, timeout=5)
    assert not any(orphan.is_running() for orphan in orphans)
    start().ready()
    wait_for(lambda: state(database, job_id) == "done", "the second try")
    with database.read() as session:
        assert session.get_one(TranscriptionJob, job_id).tries == 2
        assert session.scalar(sa.select(sa.func.count()).select_from(Transcript)) == 1


@pytest.mark.slow
def test_a_worker_asked_to_stop_gives_its_job_back_untried_within_3_s(
    database: Database, store: BlobStore, long_sound: Path, start: Callable[..., Process]
) -> None:
    job_id = ask(database, store, 1, long_sound)
    process = start()
    process.ready()
    wait_for(lambda: bool(process.decoding()), "decoding")
    assert process.end() == 0
    with database.read() as session:
        job = session.get_one(TranscriptionJob, job_id)
    assert (job.state, job.tries, job.worker) == ("queued", 0, None)


def test_two_workers_of_one_name_do_not_run_together(
    database: Database, start: Callable[..., Process]
) -> None:
    start().ready()
    second = start()
    assert second.popen.wait(timeout=30) == 1
    assert "is running already" in second.log.read_text()


class Poisoned(Decoder):
    """The real decoder; whoever decodes a sound longer than a minute is killed by an abort."""

    def decode(self, wav: Path, **options: object) -> Recognition:  # type: ignore[override]
        if wav.stat().st_size < 60 * 16_000 * 2:
            return super().decode(wav, **options)  # type: ignore[arg-type]
        assert self.pid is not None

        def strike(pid: int) -> None:
            wait_for(lambda: bool(psutil.Process(pid).children()), "decoding")
            psutil.Process(pid).children()[0].send_signal(signal.SIGABRT)

        thread = threading.Thread(target=strike, args=(self.pid,))
        thread.start()
        try:
            return super().decode(wav, **options)  # type: ignore[arg-type]
        finally:
            thread.join()


def test_a_poison_file_is_a_named_failure_after_three_tries_and_the_queue_goes_on(
    database: Database,
    store: BlobStore,
    spoken: Spoken,
    long_sound: Path,
    here: Callable[..., Worker],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "PAUSE_S", 0.1)
    poison = ask(database, store, 1, long_sound)
    ask(database, store, 2, spoken.wide)
    here(Poisoned)
    wait_for(lambda: text(database, 2) is not None, "the sound behind the poison")
    wait_for(lambda: state(database, poison) == "failed", "the failure")
    with database.read() as session:
        job = session.get_one(TranscriptionJob, poison)
        news = session.scalars(
            sa.select(OutboxEvent).where(OutboxEvent.kind == "transcript.failed")
        ).one()
    assert (job.tries, job.failure_code) == (3, "decoder_crashed")
    assert news.payload["code"] == "decoder_crashed"


def test_what_is_no_sound_fails_at_once_and_what_is_silent_says_so(
    database: Database,
    store: BlobStore,
    tmp_path: Path,
    here: Callable[..., Worker],
) -> None:
    junk = tmp_path / "junk"
    junk.write_bytes(os.urandom(5_000))
    no_sound = ask(database, store, 1, junk)
    ask(database, store, 2, write_wav(tmp_path / "s.wav", bytes(16_000 * 2 * 3), 8_000))
    here()
    wait_for(lambda: state(database, no_sound) == "failed", "the failure")
    wait_for(lambda: text(database, 2) is not None, "the silence")
    with database.read() as session:
        job = session.get_one(TranscriptionJob, no_sound)
        silence = transcripts.latest(session, "report", 2)
    assert (job.failure_code, job.tries) == ("invalid_input", 1)
    assert silence is not None
    assert (silence.text, silence.diagnosis, silence.confidence) == ("", "silent", None)


def test_a_sound_missing_from_the_store_fails_by_its_name(
    database: Database,
    store: BlobStore,
    spoken: Spoken,
    here: Callable[..., Worker],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "PAUSE_S", 0.1)
    job_id = ask(database, store, 1, spoken.wide)
    with database.read() as session:
        store.path(session.get_one(TranscriptionJob, job_id).audio_sha256).unlink()
    here()
    wait_for(lambda: state(database, job_id) == "failed", "the failure")
    with database.read() as session:
        assert session.get_one(TranscriptionJob, job_id).failure_code == "not_found"


def test_a_model_chosen_while_a_worker_runs_is_used_for_the_next_sound(
    config: Settings,
    database: Database,
    store: BlobStore,
    spoken: Spoken,
    here: Callable[..., Worker],
) -> None:
    ask(database, store, 1, spoken.wide)
    here()
    wait_for(lambda: text(database, 1) is not None, "the first")
    install.from_folder(catalogue.STARTER, config)
    ask(database, store, 2, spoken.wide)
    wait_for(lambda: text(database, 2) is not None, "the second")
    with database.read() as session:
        names = [
            found.model_name
            for number in (1, 2)
            if (found := transcripts.heard(session, "report", number))
        ]
    assert names == ["starter-zh", "zh"]


def test_a_decoder_that_vanished_is_replaced(
    database: Database, store: BlobStore, spoken: Spoken, here: Callable[..., Worker]
) -> None:
    pids: list[int] = []

    class Counted(Decoder):
        def start(self, **options: object) -> None:  # type: ignore[override]
            super().start(**options)  # type: ignore[arg-type]
            assert self.pid is not None
            pids.append(self.pid)

    here(Counted)
    wait_for(lambda: len(pids) == 1, "the start")
    os.kill(pids[0], signal.SIGKILL)
    ask(database, store, 1, spoken.wide)
    wait_for(lambda: text(database, 1) is not None, "the text")
    assert len(pids) == 2


def test_while_the_database_is_away_the_worker_waits_and_keeps_what_it_heard(
    database: Database,
    store: BlobStore,
    spoken: Spoken,
    here: Callable[..., Worker],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    away = threading.Event()
    asked_while_away: list[str] = []
    real = database.write

    def write():  # type: ignore[no-untyped-def]
        if away.is_set():
            asked_while_away.append("write")
            raise sa.exc.OperationalError("UPDATE", {}, Exception("gone"))
        return real()

    class ThenGone(Decoder):
        def decode(self, wav: Path, **options: object) -> Recognition:  # type: ignore[override]
            heard = super().decode(wav, **options)  # type: ignore[arg-type]
            away.set()
            return heard

    job_id = ask(database, store, 1, spoken.wide)
    monkeypatch.setattr(database, "write", write)
    monkeypatch.setattr("transcribe.worker.POLL_S", 0.1)
    here(ThenGone)
    wait_for(lambda: len(asked_while_away) >= 3, "waiting")
    assert state(database, job_id) == "running"
    away.clear()
    wait_for(lambda: state(database, job_id) == "done", "the end")
    with database.read() as session:
        assert session.get_one(TranscriptionJob, job_id).tries == 1
    assert text(database, 1) == spoken.text


def test_a_lost_lease_ends_the_decoding_and_leaves_the_job_to_the_other(
    database: Database,
    store: BlobStore,
    long_sound: Path,
    here: Callable[..., Worker],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("transcribe.watch.RENEW_S", 0.0)
    job_id = ask(database, store, 1, long_sound)
    here()
    wait_for(lambda: state(database, job_id) == "running", "the claim")
    with database.write() as session:
        job = session.get_one(TranscriptionJob, job_id)
        job.worker, job.tries = "elsewhere", 2
    time.sleep(1)
    with database.read() as session:
        job = session.get_one(TranscriptionJob, job_id)
        assert (job.state, job.worker) == ("running", "elsewhere")
    ask(database, store, 2, write_silence(long_sound.parent / "short.wav"))
    wait_for(lambda: text(database, 2) is not None, "the next sound")


def write_silence(path: Path) -> Path:
    return write_wav(path, bytes(16_000), 8_000)


def test_names_that_could_leave_the_folder_are_refused(
    config: Settings, database: Database, store: BlobStore
) -> None:
    for name in ("", "../x", "a/b", "a b"):
        with pytest.raises(InvalidInput):
            Worker(config, database, store, name)
