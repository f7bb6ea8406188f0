"""The child of the live process that follows one growing sound and hears it.

It stays a little behind what is on the disk: packets that were overtaken on the way are written
into earlier places, and what is fed cannot be taken back. At the end it looks whether the bytes it
fed are the bytes that lie there; if not, what it heard is worth nothing.
"""

from __future__ import annotations

import math
import os
import select
import time
from collections.abc import Callable

from transcribe import audio, child
from transcribe.recogniser import Listening, Recognition, Utterance
from transcribe.stream import GrowingSound

SAMPLE_BYTES = 2
HOLD_BACK_MS = 400
"""A packet that is overtaken by more than this makes the stream worthless (and only that)."""

LOOK_EVERY_S = 0.1
APPEARS_WITHIN_S = 10.0
PIECE_BYTES = 1 << 16
EXIT_CHANGED, EXIT_NO_FILE = 4, 5


class NoFile(Exception):
    """The sound never appeared, or is gone."""


class Changed(Exception):
    """What was fed is no longer what lies on the disk."""


class Source:
    """The bytes of one growing sound. Files stay readable after they are renamed or removed."""

    def __init__(self, sound: GrowingSound) -> None:
        self._sound = sound
        self._files: list[int] = []
        self._fed = audio.digest(sound.rate_hz)
        self._number = 0
        self._place = 0

    def open(self) -> bool:
        """Open what can be opened; whether all files are there."""
        while len(self._files) < len(self._sound.paths):
            path = self._sound.paths[len(self._files)]
            opened = _open(f"{path}.part") or _open(path)
            if opened is None:
                return False
            self._files.append(opened)
        return True

    def read(self, *, hold_back_bytes: int) -> bytes:
        """The next piece that may be fed now; b"" when there is none."""
        while self._number < len(self._files):
            is_last = self._number == len(self._sound.paths) - 1
            size = self._size(self._number) - (hold_back_bytes if is_last else 0)
            size -= size % SAMPLE_BYTES
            count = min(size - self._place, PIECE_BYTES)
            if count > 0:
                piece = self._pread(self._number, count, self._place)
                self._place += len(piece)
                self._fed.update(piece)
                return piece
            if is_last:
                break
            self._number, self._place = self._number + 1, 0
        return b""

    def digest(self) -> str:
        """Name of the sound on the disk (audio.digest); Changed unless exactly that was read."""
        found = audio.digest(self._sound.rate_hz)
        for number in range(len(self._sound.paths)):
            place, size = 0, self._size(number)
            size -= size % SAMPLE_BYTES
            while place < size:
                piece = self._pread(number, min(size - place, PIECE_BYTES), place)
                found.update(piece)
                place += len(piece)
        if found.digest() != self._fed.digest():
            raise Changed
        return found.hexdigest()

    def _size(self, number: int) -> int:
        return max(0, os.fstat(self._files[number]).st_size - self._sound.skip_bytes)

    def _pread(self, number: int, count: int, place: int) -> bytes:
        piece = os.pread(self._files[number], count, place + self._sound.skip_bytes)
        if len(piece) < count:
            raise Changed  # it was cut shorter this moment
        return piece


def _open(path: str) -> int | None:
    try:
        return os.open(path, os.O_RDONLY)
    except OSError:
        return None


def hear(
    source: Source,
    listening: Listening,
    rate_hz: int,
    ended: Callable[[float], bool],
    *,
    on_fed: Callable[[float], None] = lambda _fed_s: None,
) -> str:
    """Feed ``source`` as it grows until ``ended``; returns the name of the sound.

    ``ended(timeout_s)`` waits at most so long for the end of the sound and says whether it came.
    ``on_fed`` is told before each piece how many seconds of sound will have been fed with it.
    ``listening`` is fed, not finished. Raises NoFile or Changed.
    """
    over, fed_bytes = ended(0), 0
    appears_until = time.monotonic() + APPEARS_WITHIN_S
    while not source.open():
        if over or time.monotonic() > appears_until:
            raise NoFile
        over = ended(LOOK_EVERY_S)
    hold_back_bytes = rate_hz * HOLD_BACK_MS // 1000 * SAMPLE_BYTES
    while True:
        piece = source.read(hold_back_bytes=0 if over else hold_back_bytes)
        if piece:
            fed_bytes += len(piece)
            on_fed(fed_bytes / SAMPLE_BYTES / rate_hz)
            listening.feed(piece)
        elif over:
            return source.digest()
        over = over or ended(0 if piece else LOOK_EVERY_S)


class WideEar:
    """Hears telephone sound with a model that takes 16 kHz only."""

    def __init__(self, listening: Listening) -> None:
        from transcribe.widening import Widening

        self._listening, self._widening = listening, Widening()
        self._name = audio.digest(audio.WIDE_HZ)

    @property
    def utterances(self) -> tuple[Utterance, ...]:
        return self._listening.utterances

    @property
    def name(self) -> str:
        """Name of the sound as the model got it."""
        return self._name.hexdigest()

    def feed(self, pcm: bytes) -> None:
        self._give(self._widening.add(pcm))

    def finish(self) -> Recognition:
        self._give(self._widening.rest())
        return self._listening.finish()

    def _give(self, wide: bytes) -> None:
        self._name.update(wide)
        self._listening.feed(wide)


class Orders:
    """The child's end of a pipe: a byte, or the end of the pipe, says that the sound ended."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def ended(self, timeout_s: float) -> bool:
        readable, _, _ = select.select([self._pipe], [], [], timeout_s)
        return bool(readable)


def allow_cpu(cpu_factor: float, least_cpu_s: int) -> Callable[[float], None]:
    """For ``on_fed``: processor time grows with the sound that was fed."""

    def allow(fed_s: float) -> None:
        child.limit_cpu(least_cpu_s + math.ceil(fed_s * cpu_factor))

    return allow
