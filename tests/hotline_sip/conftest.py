"""The two real processes of the hotline on free ports, with the tiny conversation."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from benchmarks.sounds import voice as voice
from core import spare

ROOT = Path(__file__).resolve().parent.parent.parent
SIP_PORTS = ((socket.SOCK_DGRAM, 0), (socket.SOCK_STREAM, 0), (socket.SOCK_STREAM, 1))


def free_sip_port() -> int:
    """Free for UDP, TCP and (the next one) TLS, and below the ports that the system gives to
    connections: until it is used no connection of another test takes it."""
    for port in random.sample(range(23_000, 32_000), 100):
        if all(_is_free(kind, port + more) for kind, more in SIP_PORTS):
            return port
    raise AssertionError("no port is free")


def _is_free(kind: socket.SocketKind, port: int) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(
    condition: Callable[[], Any], timeout_s: float = 20.0, *, explain: Callable[[], str] = str
) -> Any:
    """Poll until ``condition`` is true and return its value; else fail with ``explain()``."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    pytest.fail(f"waited {timeout_s} s in vain. {explain()}")


class Hotline:
    """Starts, kills and looks into the hotline's processes."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "var"
        self.data.mkdir(parents=True, exist_ok=True)
        self.port = free_udp_port()
        first = 20000 + os.getpid() % 97 * 200
        self.environment = {
            **os.environ,
            "XIANGYIN_DATA_DIR": str(self.data),
            "XIANGYIN_SIP_PORT": str(self.port),
            "XIANGYIN_RTP_PORT_FIRST": str(first),
            "XIANGYIN_RTP_PORT_LAST": str(first + 398),
            "XIANGYIN_CALL_RTP_TIMEOUT_S": "4",
            "XIANGYIN_SIP_CALLS_PER_MINUTE": "6000",
            "TINY_SILENCE_S": "30",
        }
        self.folder = folder
        self.file_limit_bytes: int | None = None
        self.processes: dict[str, subprocess.Popen[str]] = {}
        self.signalling_since_s = 0.0

    @property
    def address(self) -> tuple[str, int]:
        return ("127.0.0.1", self.port)

    def start(self, name: str) -> None:
        module = ["tests.hotline_sip.tiny"] if name == "telephony" else ["hotline", name]
        log = (self.folder / f"{name}.log").open("a")
        self.processes[name] = subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            preexec_fn=self._limit_files if name == "telephony" else None,
        )
        log.close()
        out = self.processes[name].stdout
        assert out is not None
        assert out.readline() == "READY\n", self.log(name)
        if name == "signalling":
            self.signalling_since_s = time.monotonic()

    def _limit_files(self) -> None:
        if self.file_limit_bytes is not None:
            limits = (self.file_limit_bytes, self.file_limit_bytes)
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    def start_all(self) -> None:
        self.start("telephony")
        self.start("signalling")
        wait_until(lambda: "signalling is there" in self.log("telephony"), explain=self.logs)

    def kill(self, name: str) -> None:
        self.processes[name].kill()
        self.processes[name].wait()

    def kill_serving(self) -> None:
        """kill -9 of the signalling process that has the calls; the one that waits stays."""
        time.sleep(max(0.0, spare.CALM_S - (time.monotonic() - self.signalling_since_s)))
        [child] = psutil.Process(self.processes["signalling"].pid).children()
        self.signalling_since_s = time.monotonic()
        child.kill()

    def stop(self) -> dict[str, int]:
        """SIGTERM in reverse order; exit codes."""
        codes = {}
        for name in ("signalling", "telephony"):
            process = self.processes.get(name)
            if process is None:
                continue
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                codes[name] = process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                codes[name] = process.wait()
        return codes

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def logs(self) -> str:
        return "".join(f"\n{name}:\n{self.log(name)}" for name in self.processes)

    def notes(self) -> list[list[dict[str, Any]]]:
        """What each finished or answered call noted."""
        folder = self.data / "tiny" / "notes"
        return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]

    def finished(self, count: int = 1, timeout_s: float = 20.0) -> list[list[dict[str, Any]]]:
        """The notes once ``count`` calls are over."""

        def over() -> list[list[dict[str, Any]]] | None:
            done = [n for n in self.notes() if n[-1].get("event") == "HungUp"]
            return done if len(done) >= count else None

        return wait_until(over, timeout_s, explain=self.logs)

    def takes(self, pattern: str = "*.pcm") -> list[np.ndarray]:
        folder = self.data / "tiny" / "takes"
        return [np.frombuffer(p.read_bytes(), "<i2") for p in sorted(folder.glob(pattern))]


@pytest.fixture
def hotline(tmp_path: Path) -> Iterator[Hotline]:
    """Both processes, running and connected."""
    made = Hotline(tmp_path)
    try:
        made.start_all()
        yield made
    finally:
        made.stop()


@pytest.fixture
def idle_hotline(tmp_path: Path) -> Iterator[Hotline]:
    """The same, not started yet."""
    made = Hotline(tmp_path)
    try:
        yield made
    finally:
        made.stop()


def event(notes: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """The first noted event of a kind."""
    return next(note for note in notes if note.get("event") == kind)


def position_of(take: np.ndarray, spoken: np.ndarray) -> int | None:
    """Sample at which ``spoken`` (after G.711) lies in ``take``, whole and exact."""
    found = take.tobytes().find(spoken.tobytes())
    return found // 2 if found >= 0 else None
