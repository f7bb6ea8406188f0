"""A town server, an enrolled box, and the box as a process that can be killed."""

from __future__ import annotations

import hashlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.client import Client, identity_from
from edge.config import Home
from tests.edge.authority import Authority
from tests.edge.fake_server import FakeServer

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = 'sink = "wav"\npoll_s = 1\n'


def wait_for(condition: Callable[[], object], timeout_s: float = 20, what: str = "") -> None:
    """Wait until ``condition`` holds; fail after ``timeout_s``."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"waited {timeout_s} s in vain for {what or condition}")
        time.sleep(0.02)


def enrol(server: FakeServer, folder: Path, settings: str = SETTINGS) -> Home:
    """A home folder as enrolment leaves it."""
    home = Home(folder)
    home.make_folders()
    key = home.new_key()
    client = Client(server.url, server.authority.ca)
    answer = client.enrol("TOWN-0001", "Box", key)
    client.close()
    identity = identity_from(answer, server.url, own_ca=True, name="Box")
    home.save_enrolment(identity, server.authority.ca.read_bytes())
    home.settings_file.write_text(settings)
    return home


class BoxProcess:
    """``python -m edge run`` as people start it."""

    def __init__(
        self,
        home: Home,
        *,
        env: dict[str, str] | None = None,
        prefix: tuple[str, ...] = (),
        python: str = sys.executable,
        cwd: Path = ROOT,
    ) -> None:
        self.lines: queue.Queue[str] = queue.Queue()
        self.log: list[str] = []
        self.process = subprocess.Popen(
            [*prefix, python, "-m", "edge", "run", "--home", str(home.folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env={**os.environ, **(env or {})},
        )
        for stream, sink in (
            (self.process.stdout, self.lines.put),
            (self.process.stderr, self.log.append),
        ):
            threading.Thread(target=self._pump, args=(stream, sink), daemon=True).start()

    @staticmethod
    def _pump(stream: object, sink: Callable[[str], None]) -> None:
        for line in stream:  # type: ignore[attr-defined]
            sink(line.strip())

    def ready(self, timeout_s: float = 30) -> BoxProcess:
        """Wait for READY."""
        try:
            line = self.lines.get(timeout=timeout_s)
        except queue.Empty:
            pytest.fail("the box never became ready:\n" + "\n".join(self.log[-20:]))
        assert line == "READY"
        return self

    def has_ready(self, clip: bytes) -> bool:
        """Whether the box has said that it holds this clip decoded."""
        line = f"clip {hashlib.sha256(clip).hexdigest()} is ready"
        return any(line in found for found in list(self.log))

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> float:
        """SIGTERM; seconds until the end. The exit code must be 0."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(10) == 0, "\n".join(self.log[-20:])
        return time.monotonic() - begun

    def end(self) -> None:
        """Leave nothing behind, whatever the test did."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The town's own certificate authority."""
    return Authority(tmp_path / "authority")


@pytest.fixture
def server(authority: Authority) -> Iterator[FakeServer]:
    """A running server nobody has enrolled with."""
    with FakeServer(authority).running() as running:
        yield running


@pytest.fixture
def home(server: FakeServer, tmp_path: Path) -> Home:
    """An enrolled box that never ran."""
    return enrol(server, tmp_path / "box")


@pytest.fixture
def start_box() -> Iterator[Callable[..., BoxProcess]]:
    """Starts boxes and ends them after the test."""
    started: list[BoxProcess] = []

    def start(home: Home, **options: object) -> BoxProcess:
        box = BoxProcess(home, **options)  # type: ignore[arg-type]
        started.append(box)
        return box

    yield start
    for box in started:
        box.end()
