"""The live process under test, and files that grow while it listens."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from core.settings import Settings
from tests.conftest import ROOT
from tests.transcribe.conftest import pcm
from transcribe import catalogue, hearings
from transcribe.recogniser import STANDARD, Recognition
from transcribe.stream import Announcer, Shelf

PATIENCE_S = 150.0


def wait_for(true: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := true()):
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.02)
    return found


class LiveProcess:
    """``python -m transcribe live`` with everything it logs."""

    def __init__(self, log: Path, **settings: str) -> None:
        self.log = log
        with log.open("ab") as out:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "transcribe", "live"],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=out,
                env={**os.environ, **settings},
            )
        assert self.popen.stdout is not None
        assert self.popen.stdout.readline() == b"READY\n", self.log.read_text()

    def end(self, number: int = signal.SIGTERM) -> int:
        self.popen.send_signal(number)
        code = self.popen.wait(20)
        assert self.popen.stdout is not None
        self.popen.stdout.close()
        return code

    def said(self) -> list[str]:
        """Its events so far, oldest first."""
        lines = [line for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [str(json.loads(line)["event"]) for line in lines]

    def hearing(self) -> list[psutil.Process]:
        """Its children, one a stream."""
        return psutil.Process(self.popen.pid).children()


@contextlib.contextmanager
def live_process(folder: Path, **settings: str) -> Iterator[LiveProcess]:
    process = LiveProcess(folder / "live.log", **settings)
    try:
        yield process
    finally:
        if process.popen.poll() is None:
            process.end()


class Tape:
    """A recording on its way to the disk, as the hotline's recorder writes one."""

    def __init__(
        self, config: Settings, path: Path, *, rate_hz: int = 8000, after: tuple[Path, ...] = ()
    ) -> None:
        self.path, self.rate_hz, self.after = path, rate_hz, after
        self.part = path.with_name(path.name + ".part")
        self.key = f"{path.parent.name}.{path.stem}"
        self.news = Announcer(config)
        self.shelf = Shelf(config)
        self.part.touch()
        self.tell()

    def tell(self) -> None:
        self.news.grows(self.key, self.path, self.rate_hz, after=self.after)

    def write(self, samples: bytes, at: int | None = None) -> None:
        """Add samples, or put them at byte ``at``."""
        with self.part.open("r+b") as out:
            out.seek(0, os.SEEK_END) if at is None else out.seek(at)
            out.write(samples)

    def write_in_pieces(self, samples: bytes, dice: random.Random, *, pause_s: float) -> None:
        """Pieces of any size, odd ones too, each told of."""
        place = 0
        while place < len(samples):
            size = dice.randrange(1, self.rate_hz * 2)
            self.write(samples[place : place + size])
            self.tell()
            place += size
            time.sleep(pause_s * dice.random())

    def finish(self) -> None:
        self.part.rename(self.path)
        self.news.done(self.key)

    def heard(self, wav: Path) -> Recognition | None:
        """What the live process makes of it now, if that may stand for ``wav``."""
        return self.shelf.wait(
            self.key,
            pcm_sha256=hearings.sound_of(wav).pcm_sha256,
            model_hash=catalogue.starter().tree_hash,
            config_hash=STANDARD.hash,
            wait_s=PATIENCE_S,
        )

    def heard_soon(self, wav: Path) -> Recognition:
        """The same, certain to come."""
        found: Recognition = wait_for(lambda: self.heard(wav), f"hearing {self.key}")
        return found


def record(config: Settings, folder: Path, wav: Path, *, rate_hz: int = 8000) -> Tape:
    """Speak a whole sound onto a tape at once."""
    folder.mkdir(parents=True, exist_ok=True)
    tape = Tape(config, folder / "take-1.pcm", rate_hz=rate_hz)
    tape.write(pcm(wav))
    tape.finish()
    return tape
