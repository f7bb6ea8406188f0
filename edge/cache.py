"""Clips on the box's disk: fetched by hash, checked, and decoded ahead of their time."""

from __future__ import annotations

import errno
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge import decode
from edge.config import Home, Settings
from edge.errors import DiskFull
from edge.manifest import ClipRef
from edge.plan import ClipState
from edge.room import Room, remove

log = logging.getLogger(__name__)
_DECODE_LIMIT_S = 300.0
_LOOK_S = 0.5
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 5.0, 600.0
_OVERTAKEN = "gave way to something urgent"
_WORDS = {decode.NOT_SOUND: "no sound this program can read", decode.NO_ROOM: "the disk is full"}


@dataclass(frozen=True)
class Pcm:
    """Decoded sound. ``samples``: int16 mono, shape (frames,), read from disk as needed."""

    samples: NDArray[np.int16]
    rate_hz: int
    peak: float


@dataclass(frozen=True)
class PutOff:
    """A clip that could not be decoded; the file is kept. ``until_s``: monotonic."""

    reason: str
    is_no_sound: bool
    tries: int
    until_s: float


class Cache:
    """Which clips are here, and in what state. Safe for several threads."""

    def __init__(self, home: Home, settings: Settings) -> None:
        self._home = home
        self._settings = settings
        self._room = Room(home, settings)
        self._lock = threading.Lock()
        self._ready: dict[str, Pcm] = {}
        self._damaged: set[str] = set()
        self._too_long: set[str] = set()
        self._put_off: dict[str, PutOff] = {}
        self._stopping = False
        self._is_overtaken: Callable[[], bool] = lambda: False
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
            put_off = self._put_off.get(clip.sha256)
            if clip.sha256 in self._damaged or (put_off and put_off.is_no_sound):
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
            self._put_off.pop(sha256, None)

    def may_prepare(self, clip: ClipRef) -> bool:
        """Whether ``prepare`` would try now: the clip is here, not ready and not put off."""
        with self._lock:
            sha256 = clip.sha256
            settled = sha256 in self._ready or sha256 in self._damaged or sha256 in self._too_long
            put_off = self._put_off.get(sha256)
        waits = put_off is not None and time.monotonic() < put_off.until_s
        return not (settled or waits or self._stopping) and self.has(clip)

    def prepare(
        self,
        clip: ClipRef,
        later: Sequence[str] = (),
        is_overtaken: Callable[[], bool] = lambda: False,
    ) -> ClipState:
        """Check the hash once more and decode; takes about a second a ten-minute clip.

        ``later``: clips that may go to make room, in the order of use. ``is_overtaken``: looked at
        while it decodes; the clip gives way to another.
        """
        if not self.may_prepare(clip):
            return self.state(clip)
        target, self._is_overtaken = self._home.pcm / clip.sha256, is_overtaken
        try:
            self._room.for_pcm(clip, later)
        except DiskFull as error:
            self._note_failure(clip, str(error))
            return self.state(clip)
        facts, code = self._decode(clip, target)
        if facts is not None:
            samples = np.memmap(target, dtype=np.int16, mode="r")
            with self._lock:
                self._ready[clip.sha256] = Pcm(samples, int(facts["rate_hz"]), facts["peak"])
                self._put_off.pop(clip.sha256, None)
            log.info("clip %s is ready", clip.sha256)
            return "ready"
        target.unlink(missing_ok=True)
        if code == decode.TOO_LONG:
            with self._lock:
                self._too_long.add(clip.sha256)
        elif code == decode.WRONG_HASH:
            log.error("clip %s is not what was approved any more", clip.sha256[:12])
            self.mark_damaged(clip.sha256)
        elif not self._stopping and code != _OVERTAKEN:
            self._note_failure(clip, _words(code), is_no_sound=code == decode.NOT_SOUND)
        return self.state(clip)

    def trouble(self) -> str | None:
        """Why something that sounds soon cannot be made ready; None if nothing is wrong."""
        with self._lock:
            return next((each.reason for each in self._put_off.values()), None)

    def expect(self, soon: Sequence[ClipRef]) -> None:
        """These are decoded next: no clip of a later play takes the room they need."""
        with self._lock:
            for sha256 in self._put_off.keys() - {clip.sha256 for clip in soon}:
                del self._put_off[sha256]
            not_ready = [clip for clip in soon if clip.sha256 not in self._ready]
        self._room.hold(soon, not_ready)

    def _note_failure(self, clip: ClipRef, reason: str, *, is_no_sound: bool = False) -> None:
        with self._lock:
            before = self._put_off.get(clip.sha256)
            tries = before.tries + 1 if before else 1
            pause_s = min(_FIRST_PAUSE_S * 2 ** min(tries - 1, 10), _LONGEST_PAUSE_S)
            self._put_off[clip.sha256] = PutOff(
                f"clip {clip.sha256[:12]}: {reason}", is_no_sound, tries, time.monotonic() + pause_s
            )
        log.error("clip %s: %s; again in %.0f s", clip.sha256[:12], reason, pause_s)

    def forget_pcm(self, wanted: Iterable[str]) -> None:
        """Remove decoded sound except of the clips ``wanted``."""
        keep = set(wanted)
        with self._lock:
            for sha256 in set(self._ready) - keep:
                del self._ready[sha256]
                (self._home.pcm / sha256).unlink(missing_ok=True)

    def stop(self) -> None:
        """End a decoding that is under way; none begins any more."""
        self._stopping = True
        child = self._child
        if child is not None:
            child.kill()

    def count(self) -> int:
        """How many whole clips are here."""
        return sum(file.suffix != ".part" for file in self._room.files())

    def clear(self) -> None:
        """Remove every clip and all decoded sound: nothing here may be sounded any more."""
        for file in self._room.files():
            remove(file)
        self.forget_pcm(())

    def check_place(self, sha256: str) -> None:
        """Raise OSError when its folder takes no file: no room that is made would help."""
        folder = self.path(sha256).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise

    def make_room(self, clip: ClipRef, wanted: Iterable[str], later: Sequence[str] = ()) -> None:
        """Remove clips until ``clip`` fits, see ``Room.for_clip``."""
        self._room.for_clip(clip, wanted, later)

    def used_bytes(self) -> int:
        """Sum of all clips, parts included."""
        return self._room.used_bytes()

    def _decode(self, clip: ClipRef, target: Path) -> tuple[dict[str, float] | None, int | str]:
        root = str(Path(__file__).resolve().parent.parent)
        longest = str(self._settings.longest_play_s)
        command = [sys.executable, "-P", "-m", "edge.decode", str(self.path(clip.sha256))]
        with subprocess.Popen(
            [*command, clip.sha256, str(target), longest],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": root},
        ) as child:
            self._child = child
            if self._stopping:
                child.kill()
            try:
                out = self._wait_for(child)
            finally:
                self._child = None
        if isinstance(out, str):
            return None, out
        if child.returncode != 0:
            return None, child.returncode
        return json.loads(out), 0

    def _wait_for(self, child: subprocess.Popen[bytes]) -> bytes | str:
        """What it printed, or why it was killed."""
        deadline_s = time.monotonic() + _DECODE_LIMIT_S
        while True:
            try:
                return child.communicate(timeout=_LOOK_S)[0]
            except subprocess.TimeoutExpired:
                why = "it took too long" if time.monotonic() > deadline_s else ""
                why = _OVERTAKEN if self._is_overtaken() else why
            if why:
                child.kill()
                return why


def _words(code: int | str) -> str:
    if isinstance(code, str):
        return code
    if code < 0:
        return f"its decoder was ended by signal {-code}"
    return _WORDS.get(code, f"its decoder failed with code {code}")
