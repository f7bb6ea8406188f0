"""A village player of the product for benchmarks: with plays in its memory and no server, or with
a server that gives it its plays."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import queue
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile as sf
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from benchmarks.pulse import RATE_HZ, urgent
from edge.clock import instant, iso
from edge.config import Home, Identity
from edge.manifest import key_id
from edge.store import Store

if TYPE_CHECKING:
    from benchmarks.village_server import VillageServer

AREA = "610111001201"
_NOBODY = "https://127.0.0.1:9"
_READY_S = 120.0
PROGRAM = ("-m", "edge")


class Box:
    """``python -m edge run``, started beforehand with everything it needs for its plays."""

    def __init__(
        self,
        folder: Path,
        sink: str = "device",
        *,
        server: VillageServer | None = None,
        program: tuple[str, ...] = PROGRAM,
        settings: str = "",
    ) -> None:
        """``settings``: more lines of its settings.toml; ``program``: what is run instead of it."""
        self._server, self._program = server, program
        self.home = Home(folder)
        self.home.make_folders()
        public_key = self.home.new_key().public_key().public_bytes_raw()
        self.home.settings_file.write_text(f'sink = "{sink}"\n{settings}')
        self._server_key = Ed25519PrivateKey.generate()
        self._plays: list[dict[str, object]] = []
        self._clips: set[str] = set()
        if server is not None:
            self.home.save_enrolment(server.welcome(public_key), server.ca)
        else:
            self.home.save_enrolment(self._known_to_nobody(), None)
        self.process: subprocess.Popen[str] | None = None

    def _known_to_nobody(self) -> Identity:
        raw = self._server_key.public_key().public_bytes_raw()
        key, name = base64.b64encode(raw).decode(), self.home.folder.name
        return Identity(_NOBODY, False, name, AREA, "t", key, "Asia/Shanghai", "", None)

    def plan(self, play_id: int, starts_at_s: float, sound: NDArray[np.float64]) -> None:
        """A play of ``sound`` at 48 kHz at that wall second."""
        packed = io.BytesIO()
        sf.write(packed, sound, RATE_HZ, format="FLAC", subtype="PCM_16")
        content = packed.getvalue()
        sha256 = hashlib.sha256(content).hexdigest()
        self._clips.add(sha256)
        duration_ms = len(sound) * 1000 // RATE_HZ
        if self._server is not None:
            self._server.plan(starts_at_s, content, duration_ms)
            return
        kept = self.home.clips / sha256[:2] / sha256
        kept.parent.mkdir(exist_ok=True)
        kept.write_bytes(content)
        starts_at = instant(starts_at_s)
        self._plays.append(
            {
                "play_id": play_id,
                "revision": 1,
                "starts_at": iso(starts_at),
                "make_up_until": iso(starts_at + timedelta(seconds=1)),
                "priority": 50,
                "programme": "",
                "title": str(play_id),
                "clip": {
                    "sha256": sha256,
                    "size_bytes": len(content),
                    "duration_ms": duration_ms,
                    "media_type": "audio/flac",
                },
            }
        )

    def start(self, env: dict[str, str]) -> None:
        """Sign the list where no server does, and run."""
        if self._server is None:
            self._remember_plays()
        command = [*urgent(), sys.executable, *self._program]
        command += ["run", "--home", str(self.home.folder)]
        self.process = subprocess.Popen(
            command,
            env=self._as_installed(env),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._log: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read_log, daemon=True).start()

    def _remember_plays(self) -> None:
        now = instant(time.time())
        payload = json.dumps(
            {
                "schema": 1,
                "area_code": AREA,
                "version": 1,
                "issued_at": iso(now),
                "valid_until": iso(now + timedelta(days=7)),
                "plays": self._plays,
            }
        )
        envelope = {
            "payload": payload,
            "signature": base64.b64encode(self._server_key.sign(payload.encode())).decode(),
            "key_id": key_id(self._server_key.public_key().public_bytes_raw()),
        }
        store = Store(self.home.database_file)
        store.remember("manifest", json.dumps(envelope))
        store.close()

    def _as_installed(self, env: dict[str, str]) -> dict[str, str]:
        """With compiled modules, as pip leaves them: compiling takes memory that is never used
        again."""
        found = {**env, "PYTHONPYCACHEPREFIX": str(self.home.folder / "compiled")}
        found.pop("PYTHONDONTWRITEBYTECODE", None)
        modules = "import edge.box, edge.decode, sounddevice, soundfile"
        subprocess.run([sys.executable, "-c", modules], env=found, check=True)
        return found

    def wait_until_ready(self) -> None:
        """Until all clips are decoded. Raises RuntimeError when that takes too long."""
        wanted = len(self._clips)
        lines: list[str] = []
        until_s = time.monotonic() + _READY_S
        while sum("is ready" in line for line in lines) < wanted:
            try:
                lines.append(self._log.get(timeout=max(0.01, until_s - time.monotonic())))
            except queue.Empty:
                raise RuntimeError("the player is not ready:\n" + "".join(lines[-20:])) from None

    def receipts(self) -> dict[int, dict[str, object]]:
        """What the box says of its plays."""
        store = Store(self.home.database_file)
        bodies = [json.loads(receipt.body) for receipt in store.receipts()]
        store.close()
        return {int(body["play_id"]): body for body in bodies}

    def end(self) -> None:
        """Leave nothing behind."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def _read_log(self) -> None:
        assert self.process is not None
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._log.put(line)
