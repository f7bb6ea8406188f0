"""Workers for tests: as processes, and as threads of the test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from core import blobs
from core.blobs import BlobStore
from core.database import Database
from core.settings import Settings
from tests.conftest import ROOT
from transcribe import jobs, transcripts
from transcribe.decoder import Decoder
from transcribe.models import TranscriptionJob
from transcribe.worker import Worker

PATIENCE_S = 60


def wait_for(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.05)


def ask(database: Database, store: BlobStore, number: int, sound: Path, **options: Any) -> int:
    """Queue ``sound`` as report ``number``; returns the job's id. ``options``: of enqueue."""
    with database.write() as session:
        sha256 = store.put_file(sound)
        blobs.register(session, store, sha256, "audio/wav")
        return jobs.enqueue(session, "report", number, sha256, **options).id


def state(database: Database, job_id: int) -> str:
    with database.read() as session:
        return session.get_one(TranscriptionJob, job_id).state


def text(database: Database, number: int) -> str | None:
    with database.read() as session:
        found = transcripts.latest(session, "report", number)
        return found.text if found else None


class Process:
    """``python -m transcribe worker`` with everything it logs."""

    def __init__(self, name: str, log: Path) -> None:
        self.log = log
        with log.open("ab") as out:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "transcribe", "worker", "--name", name],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=out,
                env=dict(os.environ),
            )

    def ready(self) -> None:
        assert self.popen.stdout is not None
        assert self.popen.stdout.readline() == b"READY\n", self.log.read_text()

    def end(self, number: int = signal.SIGTERM) -> int:
        self.popen.send_signal(number)
        code = self.popen.wait(timeout=10)
        assert self.popen.stdout is not None
        self.popen.stdout.close()
        return code

    def decoding(self) -> list[psutil.Process]:
        """The processes that decode a sound at this moment."""
        hosts = psutil.Process(self.popen.pid).children()
        return [child for host in hosts for child in host.children()]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Start worker processes; whatever still runs at the end is killed."""
    started: list[Process] = []

    def one(name: str = "decoder-1") -> Process:
        started.append(Process(name, tmp_path / "worker.log"))
        return started[-1]

    yield one
    for process in started:
        if process.popen.poll() is None:
            process.end(signal.SIGKILL)


@pytest.fixture
def here(config: Settings, database: Database, store: BlobStore) -> Iterator[Callable[..., Worker]]:
    """Workers in threads of this process, stopped at the end."""
    running: list[tuple[Worker, threading.Thread]] = []

    def one(make: type[Decoder] = Decoder, name: str = "decoder-1") -> Worker:
        worker = Worker(
            config, database, store, name, make_decoder=lambda model, at: make(model.path, at)
        )
        thread = threading.Thread(target=worker.run_forever)
        thread.start()
        running.append((worker, thread))
        return worker

    yield one
    for worker, thread in running:
        worker.stop()
        thread.join()
