"""Sounds that really break their process: a named failure each, and the neighbours have words."""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.burst_poison import KINDS
from core.blobs import BlobStore
from core.database import Database
from core.settings import Settings
from tests.transcribe.conftest import Spoken, pcm, write_wav
from tests.transcribe.working import Process, ask, state, text, wait_for
from transcribe import catalogue, decoder_process, failures, jobs
from transcribe.decoder import Decoder
from transcribe.models import TranscriptionJob
from transcribe.worker import Worker

QUICK = functools.partial(Decoder, cpu_factor=0.1, least_cpu_s=1, memory_mb=256)


def poison(kind: str, spoken: Spoken, folder: Path) -> Path:
    """The sentence, marked so that the decoder does what ``kind`` says."""
    mark = next(mark for mark in KINDS if kind.encode() in mark)
    return write_wav(folder / f"{kind}.wav", mark + pcm(spoken.wide)[len(mark) :], 16_000)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("crash", "decoder_crashed"),
        ("abort", "decoder_crashed"),
        ("swell", "decoder_crashed"),
        ("spin", "decoder_too_slow"),
    ],
)
def test_each_kind_of_poison_ends_with_its_name_and_takes_no_neighbour_along(
    database: Database, store: BlobStore, spoken: Spoken, sentences: list[Spoken],
    tmp_path: Path, here: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch,
    kind: str, code: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(jobs, "PAUSE_S", 0.1)
    monkeypatch.setattr(decoder_process, "PROGRAM", "benchmarks.burst_poison")
    ask(database, store, 1, sentences[1].wide)
    bad = ask(database, store, 2, poison(kind, spoken, tmp_path))
    ask(database, store, 3, sentences[2].wide)
    here(QUICK)
    wait_for(lambda: state(database, bad) == "failed", "the failure")
    wait_for(lambda: text(database, 1) is not None and text(database, 3) is not None, "neighbours")
    with database.read() as session:
        job = session.get_one(TranscriptionJob, bad)
    assert (job.failure_code, job.tries) == (code, 3)
    assert code in failures.FAILURES
    assert job.model_hash == catalogue.starter().tree_hash


@pytest.mark.slow
def test_when_all_workers_are_killed_at_once_their_successors_finish_everything(
    database: Database, store: BlobStore, spoken: Spoken, long_sound: Path,
    start: Callable[..., Process],
) -> None:  # fmt: skip
    numbers = [ask(database, store, number, sound) for number, sound in enumerate(
        (long_sound, write_wav(long_sound.parent / "other.wav", pcm(long_sound)[320:], 16_000)), 1
    )]  # fmt: skip
    workers = [start("decoder-1"), start("decoder-2")]
    for worker in workers:
        worker.ready()
    wait_for(lambda: all(worker.decoding() for worker in workers), "decoding")
    numbers.append(ask(database, store, 3, spoken.wide))
    for worker in workers:
        worker.popen.send_signal(signal.SIGKILL)
    for worker in workers:
        worker.popen.wait()
    for name in ("decoder-1", "decoder-2"):
        start(name).ready()
    wait_for(lambda: all(state(database, number) == "done" for number in numbers), "all words")


def test_a_job_whose_model_does_not_load_waits_with_that_reason_and_others_go_on(
    config: Settings, database: Database, store: BlobStore, spoken: Spoken,
    sentences: list[Spoken], here: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    broken = catalogue.InstalledModel("broken", tmp_path / "none", "f" * 64, True, True)
    starter = catalogue.starter()

    def choice(_settings: Settings, _areas: object = (), language: str | None = None) -> object:
        return broken if language == "yue" else starter

    monkeypatch.setattr(catalogue, "choice_for", choice)
    waiting = ask(database, store, 1, spoken.wide, language="yue")
    ask(database, store, 2, sentences[1].wide)
    here()
    wait_for(lambda: text(database, 2) is not None, "the other")
    wait_for(lambda: state(database, waiting) == "queued", "the wait")
    with database.read() as session:
        job = session.get_one(TranscriptionJob, waiting)
    assert (job.failure_code, job.tries) == (failures.MODEL_FAILS, 0)
    assert "broken" in str(job.failure_detail)


def test_where_a_newly_chosen_model_does_not_load_the_old_one_goes_on_serving(
    database: Database, store: BlobStore, spoken: Spoken, sentences: list[Spoken],
    here: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    ask(database, store, 1, spoken.wide)
    here()
    wait_for(lambda: text(database, 1) is not None, "the first")
    broken = catalogue.InstalledModel("broken", tmp_path / "none", "f" * 64, True, True)
    monkeypatch.setattr(catalogue, "choice_for", lambda *_: broken)
    ask(database, store, 2, sentences[1].wide)
    wait_for(lambda: text(database, 2) is not None, "the second")
