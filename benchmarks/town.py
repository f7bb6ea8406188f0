"""The whole product on free ports, for benchmarks that use it as people do."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import machine
from benchmarks.machine import free_port
from core.blobs import BlobStore
from core.sealed import Sealer
from core.settings import Settings
from core.supervisor import die_with_parent
from hotline import prompts

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "var" / "bench" / "town"
START_S, SETTLE_S = 180.0, 60.0
QUIET_S, QUIET_SHARE = 2.0, 0.1
LANGUAGE = "zh_CN"
"""One is enough for a caller who presses keys, and another would be spoken beside the measuring."""


class Town:
    """``server.py`` with all its processes in ``folder``; ``settings`` as in the environment."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.sip_port = free_port(socket.SOCK_DGRAM)
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("XIANGYIN_")},
            "XIANGYIN_DATA_DIR": str(folder),
            "XIANGYIN_WEB_TLS": "off",
            "XIANGYIN_WEB_PORT": str(free_port(socket.SOCK_STREAM)),
            "XIANGYIN_GUIDE_PORT": str(free_port(socket.SOCK_STREAM)),
            "XIANGYIN_MQTT_PORT": str(free_port(socket.SOCK_STREAM)),
            "XIANGYIN_SIP_PORT": str(self.sip_port),
            "XIANGYIN_HOTLINE_LANGUAGES": LANGUAGE,
            "XIANGYIN_RTP_PORT_FIRST": "41000",
            "XIANGYIN_RTP_PORT_LAST": "41198",
            **settings,
        }
        self.settings = Settings(data_dir=folder)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait for the summary; RuntimeError with the output when it does not come."""
        spoken = Settings(data_dir=CACHE, hotline_languages=LANGUAGE)
        prompts.prepare(spoken, _say_progress)
        shutil.copytree(
            spoken.folder("prompts"), self.settings.folder("prompts"), dirs_exist_ok=True
        )
        output = self.folder / "server.out"
        with output.open("wb") as out:
            self._process = subprocess.Popen(
                [sys.executable, "server.py"],
                cwd=ROOT,
                env=self._environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        deadline = time.monotonic() + START_S
        while "stop       Ctrl-C" not in (said := output.read_text("utf-8", errors="replace")):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the product did not start: {said[-2000:]}")
            time.sleep(0.1)

    def settle(self) -> None:
        """Wait until it has nothing left to do: some duties begin when the pages are up already."""
        deadline = time.monotonic() + SETTLE_S
        before = self.cpu_s()
        while time.monotonic() < deadline:
            time.sleep(QUIET_S)
            now = self.cpu_s()
            if now - before < QUIET_SHARE * QUIET_S:
                return
            before = now

    def stop(self) -> None:
        """Ctrl-C, and wait for its end."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(60)

    @property
    def address(self) -> tuple[str, int]:
        """Where the hotline is called."""
        return "127.0.0.1", self.sip_port

    def cpu_s(self) -> float:
        """Processor time of all its processes, those that ended included."""
        if self._process is None:
            return 0.0
        return machine.cpu_s(self._process.pid)

    def caller_hash(self, number: str) -> str:
        """How the reports of a caller are marked."""
        return Sealer.from_settings(self.settings).caller_hash(number)

    def sound_path(self, sha256: str) -> Path:
        """A stored sound."""
        return BlobStore.from_settings(self.settings).existing_path(sha256)

    def read(self) -> sqlite3.Connection:
        """The database, to look into; sees what is committed and nothing else."""
        path = self.folder / "xiangyin.db"
        return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)


def _say_progress(done: int, missing: int, _prompt: str) -> None:
    """The first run speaks for minutes on a busy machine; nobody shall think that it hangs."""
    if done % 20 == 0:
        print(f"speaking prompts once: {done} of {missing}", file=sys.stderr, flush=True)
