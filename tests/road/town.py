"""A whole running town for the end-to-end tests: ``server.py --demo`` on free ports."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import psutil

from core.supervisor import die_with_parent
from tests.conftest import ROOT


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port nobody uses this moment."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Town:
    """The server and its children, started as a person starts them."""

    def __init__(self, *arguments: str, **settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="xy-town-"))
        self.web_port, self.mqtt_port, self.guide_port = free_port(), free_port(), free_port()
        self.sip_port = free_port(socket.SOCK_DGRAM)
        first = 30000 + (os.getpid() * 200) % 20000 // 2 * 2
        self.environment = {
            **os.environ,
            "XIANGYIN_DATA_DIR": str(self.folder),
            "XIANGYIN_WEB_PORT": str(self.web_port),
            "XIANGYIN_GUIDE_PORT": str(self.guide_port),
            "XIANGYIN_MQTT_PORT": str(self.mqtt_port),
            "XIANGYIN_SIP_PORT": str(self.sip_port),
            "XIANGYIN_HOTLINE_LANGUAGES": "zh_CN",
            "XIANGYIN_RTP_PORT_FIRST": str(first),
            "XIANGYIN_RTP_PORT_LAST": str(first + 398),
            **settings,
        }
        self.arguments = arguments
        self.output = self.folder / "server.out"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, within_s: float = 150) -> None:
        """Start and wait for the summary block."""
        with self.output.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "server.py", *self.arguments],
                cwd=ROOT,
                env=self.environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        before = self.said().count("stop       Ctrl-C")
        deadline = time.monotonic() + within_s
        while self.said().count("stop       Ctrl-C") == before:
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.2)

    def said(self) -> str:
        """What the server printed so far."""
        return self.output.read_text("utf-8", errors="replace")

    def stop(self) -> int:
        """Ctrl-C; returns the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=60)

    def remove(self) -> None:
        """Kill what is left and remove the folder."""
        if self.process is not None and self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def credentials(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.folder / "demo/credentials.json").read_text())
        return found

    @property
    def authority(self) -> Path:
        """The CA certificate a browser would be given."""
        return self.folder / "tls" / "ca.pem"

    @property
    def address(self) -> str:
        return f"https://localhost:{self.web_port}"

    def api(self, path: str) -> httpx.Response:
        """GET below /api/v1 with the token that the start printed."""
        return httpx.get(
            f"{self.address}/api/v1{path}",
            headers={"Authorization": f"Bearer {self.credentials['token']}"},
            verify=str(self.authority),
            timeout=20,
        )

    def command(self, *arguments: str, timeout_s: float = 120) -> Any:
        """Run ``python -m …`` in the town's settings; returns its JSON."""
        result = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        assert result.stdout.strip(), result.stderr
        return json.loads(result.stdout.strip().splitlines()[-1])

    def child(self, *words: str) -> psutil.Process:
        """The running child whose command line holds all ``words``."""
        assert self.process is not None
        for process in psutil.Process(self.process.pid).children():
            line = " ".join(process.cmdline())
            if all(word in line for word in words):
                return process
        raise AssertionError(f"no child runs {words}")

    def kill(self, *words: str) -> None:
        """kill -9, as the out-of-memory killer does."""
        self.child(*words).kill()


def report_of(town: Town, reference_no: str, within_s: float = 60) -> dict[str, Any]:
    """The report once its words are there (or its transcription failed)."""
    deadline = time.monotonic() + within_s
    while True:
        answer = town.api(f"/reports/{reference_no}")
        if answer.status_code == 200:
            found: dict[str, Any] = answer.json()
            if found["transcript"] is not None:
                return found
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.3)
