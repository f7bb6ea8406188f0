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

from core.blobs import BlobStore
from core.sealed import Sealer
from core.settings import Settings
from core.supervisor import die_with_parent
from hotline import prompts

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "var" / "bench" / "town"
START_S, SETTLE_S = 180.0, 60.0
QUIET_S, QUIET_SHARE = 2.0, 0.1
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def free_port(kind: socket.SocketKind) -> int:
    """A port nobody uses this moment."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
            "XIANGYIN_RTP_PORT_FIRST": "41000",
            "XIANGYIN_RTP_PORT_LAST": "41198",
            **settings,
        }
        self.settings = Settings(data_dir=folder)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait for the summary; RuntimeError with the output when it does not come."""
        spoken = Settings(data_dir=CACHE)
        prompts.prepare(spoken)
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
        return sum(_ticks(pid) for pid in _tree(self._process.pid)) / _TICKS_PER_S

    def caller_hash(self, number: str) -> str:
        """How the reports of a caller are marked."""
        return Sealer.from_settings(self.settings).keyed_hash("caller", number)

    def sound_path(self, sha256: str) -> Path:
        """A stored sound."""
        return BlobStore.from_settings(self.settings).existing_path(sha256)

    def read(self) -> sqlite3.Connection:
        """The database, to look into; sees what is committed and nothing else."""
        path = self.folder / "xiangyin.db"
        return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)


def busy_s() -> float:
    """Processor time the whole machine has spent."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _idle, _wait, irq, softirq = map(int, fields[:7])
    return (user + nice + system + irq + softirq) / _TICKS_PER_S


def _tree(root: int) -> list[int]:
    """``root`` and everything below it."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue
        parents.setdefault(parent, []).append(int(stat.parent.name))
    found = [root]
    for pid in found:
        found += parents.get(pid, [])
    return found


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0
    return sum(int(field) for field in fields[11:15])  # its own, and its children's that ended
