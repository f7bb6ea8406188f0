"""Prompts ready to send: encoded ahead, played in order."""

from __future__ import annotations

import wave
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import structlog

from hotline.sip import g711
from hotline.sip.g711 import Codec
from hotline.sip.sounds import EncodedSound, FileSound, Sound, check_shape

log = structlog.get_logger(__name__)

CODECS: tuple[Codec, ...] = ("PCMA", "PCMU")
PREPARED = 2
"""So many sounds are made ready at once: the one that is heard and the next."""

Encoded = dict[Codec, list[bytes]]


def load(path: Path) -> Encoded:
    """Read and encode a whole WAV (8 kHz, mono, 16 bit).

    Raises OSError, EOFError, wave.Error or ValueError when it cannot be used.
    """
    with wave.open(str(path), "rb") as sound:
        check_shape(sound)
        pcm = sound.readframes(sound.getnframes())
    return {codec: g711.frames(codec, pcm) for codec in CODECS}


class SoundBank:
    """Encoded prompts by path. What was not encoded ahead is read beside the clock."""

    def __init__(self, disk: Executor) -> None:
        self._disk = disk
        self._ready: dict[Path, Encoded] = {}

    def encode_ahead(self, paths: Iterable[Path]) -> None:
        """Blocking; call it before the first call. Broken files are logged and skipped."""
        for path in paths:
            try:
                self._ready[path] = load(path)
            except (OSError, EOFError, wave.Error, ValueError) as error:
                log.error("a prompt cannot be used", path=str(path), error=str(error))

    def find(self, path: Path) -> Sound:
        """The sound for one caller, from its beginning; one that cannot be used is empty."""
        ready = self._ready.get(path)
        return FileSound(path, self._disk) if ready is None else EncodedSound(ready)


@dataclass
class _Queued:
    token: int
    sounds: deque[Sound]

    def prepare(self, codec: Codec) -> None:
        for sound in islice(self.sounds, PREPARED):
            sound.prepare(codec)


@dataclass
class Player:
    """What one call hears next."""

    bank: SoundBank
    on_ended: Callable[[int], None]
    _queue: deque[_Queued] = field(default_factory=deque)
    _last_token: int = 0
    _codec: Codec = "PCMA"

    def play(self, sounds: Sequence[Path]) -> int:
        """Queue sounds; their token is reported to ``on_ended`` when the last was sent."""
        self._last_token += 1
        queued = _Queued(self._last_token, deque(map(self.bank.find, sounds)))
        queued.prepare(self._codec)
        self._queue.append(queued)
        return self._last_token

    def stop(self) -> None:
        """Drop everything; nothing is reported."""
        for queued in self._queue:
            for sound in queued.sounds:
                sound.close()
        self._queue.clear()

    def next_frame(self, codec: Codec) -> bytes | None:
        """The next 20 ms, None when there is nothing to say (yet)."""
        self._codec = codec
        while self._queue:
            current = self._queue[0]
            if not current.sounds:
                self._queue.popleft()
                self.on_ended(current.token)
                continue
            sound = current.sounds[0]
            frame = sound.next_frame(codec)
            if frame is not None or not sound.over:
                return frame
            sound.close()
            current.sounds.popleft()
            current.prepare(codec)
        return None
