"""Clips on the box's disk: fetched by hash, checked, and decoded ahead of their time."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge import decode
from edge.config import Home, Settings
from edge.errors import DiskFull
from edge.manifest import ClipRef
from edge.plan import ClipState

log = logging.getLogger(__name__)
_DECODE_LIMIT_S = 300.0
_MB = 1_000_000


@dataclass(frozen=True)
class Pcm:
    """Decoded sound. ``samples``: int16 mono, shape (frames,), read from disk as needed."""

    samples: NDArray[np.int16]
    rate_hz: int
    peak: float


class Cache:
    """Which clips are here, and in what state. Safe for several threads."""

    def __init__(self, home: Home, settings: Settings) -> None:
        self._home = home
        self._settings = settings
        self._lock = threading.Lock()
        self._ready: dict[str, Pcm] = {}
        self._damaged: set[str] = set()
        self._too_long: set[str] = set()
        self._child: subprocess.Popen[bytes] | None = None
        for left_over in (*home.pcm.iterdir(), *home.sounded.glob("*.part")):
            left_over.unlink()

    def path(self, sha256: str) -> Path:
        """Where a whole, checked clip lies."""
        return self._home.clips / sha256[:2] / sha256

    def has(self, clip: ClipRef) -> bool:
        """Whether the clip is here in full."""
        try:
            return self.path(clip.sha256).stat().st_size == clip.size_bytes
        except OSError:
            return False

    def state(self, clip: ClipRef) -> ClipState:
        """What the planner needs to know."""
        with self._lock:
            if clip.sha256 in self._ready:
                return "ready"
            if clip.sha256 in self._damaged:
                return "damaged"
        return "preparing" if self.has(clip) else "missing"

    def is_too_long(self, sha256: str) -> bool:
        """Whether decoding showed more sound than this box may play at once."""
        with self._lock:
            return sha256 in self._too_long

    def pcm(self, sha256: str) -> Pcm:
        """The decoded clip; KeyError unless ``ready``."""
        with self._lock:
            return self._ready[sha256]

    def mark_damaged(self, sha256: str) -> None:
        """What was fetched or kept is not what was approved; it must be fetched again."""
        self.path(sha256).unlink(missing_ok=True)
        with self._lock:
            self._damaged.add(sha256)

    def mark_fetched(self, sha256: str) -> None:
        """A whole clip with the right hash has arrived."""
        with self._lock:
            self._damaged.discard(sha256)

    def prepare(self, clip: ClipRef) -> ClipState:
        """Check the hash once more and decode; takes about a second a ten-minute clip."""
        target = self._home.pcm / clip.sha256
        if self.state(clip) != "preparing" or self.is_too_long(clip.sha256):
            return self.state(clip)
        facts, code = self._decode(clip, target)
        if facts is not None:
            samples = np.memmap(target, dtype=np.int16, mode="r")
            with self._lock:
                self._ready[clip.sha256] = Pcm(samples, int(facts["rate_hz"]), facts["peak"])
            log.info("clip %s is ready", clip.sha256)
            return "ready"
        target.unlink(missing_ok=True)
        if code == decode.TOO_LONG:
            with self._lock:
                self._too_long.add(clip.sha256)
        else:
            log.error("clip %s cannot be used (code %s)", clip.sha256[:12], code)
            self.mark_damaged(clip.sha256)
        return self.state(clip)

    def forget_pcm(self, wanted: Iterable[str]) -> None:
        """Remove decoded sound except of the clips ``wanted``."""
        keep = set(wanted)
        with self._lock:
            for sha256 in set(self._ready) - keep:
                del self._ready[sha256]
                (self._home.pcm / sha256).unlink(missing_ok=True)

    def make_room(self, size_bytes: int, wanted: Iterable[str]) -> None:
        """Remove clips not ``wanted``, oldest first, until ``size_bytes`` fit; else DiskFull."""
        keep = set(wanted)
        spare = [file for file in self._files() if file.name.removesuffix(".part") not in keep]
        spare.sort(key=lambda file: file.stat().st_mtime)
        while not self._fits(size_bytes):
            if not spare:
                raise DiskFull(f"no room for {size_bytes / _MB:.1f} MB of sound")
            spare.pop(0).unlink(missing_ok=True)

    def stop(self) -> None:
        """End a decoding that is under way."""
        child = self._child
        if child is not None:
            child.kill()

    def used_bytes(self) -> int:
        """Sum of all clips, parts included."""
        return sum(file.stat().st_size for file in self._files())

    def free_bytes(self) -> int:
        """What the disk has left above the reserve."""
        reserve = int(self._settings.disk_reserve_mb * _MB)
        return max(0, shutil.disk_usage(self._home.folder).free - reserve)

    def _fits(self, size_bytes: int) -> bool:
        limit = self._settings.cache_limit_mb * _MB
        return self.used_bytes() + size_bytes <= limit and size_bytes <= self.free_bytes()

    def _files(self) -> list[Path]:
        return [file for file in self._home.clips.rglob("*") if file.is_file()]

    def _decode(self, clip: ClipRef, target: Path) -> tuple[dict[str, float] | None, int | str]:
        root = str(Path(__file__).resolve().parent.parent)
        longest = str(self._settings.longest_play_s)
        command = [sys.executable, "-m", "edge.decode", str(self.path(clip.sha256))]
        with subprocess.Popen(
            [*command, clip.sha256, str(target), longest],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": root},
        ) as child:
            self._child = child
            try:
                out, _ = child.communicate(timeout=_DECODE_LIMIT_S)
            except subprocess.TimeoutExpired:
                child.kill()
                return None, "took too long"
            finally:
                self._child = None
        if child.returncode != 0:
            return None, child.returncode
        return json.loads(out), 0
