"""Prompts ready to send: encoded ahead, played in order."""

from __future__ import annotations

import asyncio
import wave
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from hotline.sip import g711
from hotline.sip.g711 import Codec

log = structlog.get_logger(__name__)

CODECS: tuple[Codec, ...] = ("PCMA", "PCMU")
MAX_S = 600

Encoded = dict[Codec, list[bytes]]


def load(path: Path) -> Encoded:
    """Read and encode a sound: WAV (8 kHz, mono, 16 bit) or raw PCM of a take (``.pcm``).

    Raises OSError, EOFError, wave.Error or ValueError when it cannot be used.
    """
    if path.suffix == ".pcm":
        with path.open("rb") as raw:
            pcm = raw.read(MAX_S * g711.RATE_HZ * 2)
    else:
        with wave.open(str(path), "rb") as sound:
            shape = (sound.getframerate(), sound.getnchannels(), sound.getsampwidth())
            if shape != (g711.RATE_HZ, 1, 2):
                raise ValueError(f"a prompt is 8 kHz, mono, 16 bit; this one is {shape}")
            pcm = sound.readframes(MAX_S * g711.RATE_HZ)
    return {codec: g711.frames(codec, pcm) for codec in CODECS}


class SoundBank:
    """Encoded prompts by path. What was not encoded ahead is loaded beside the clock."""

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

    def find(self, path: Path) -> asyncio.Future[Encoded]:
        """The encoded sound, at once or soon; a sound that cannot be used is empty."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Encoded] = loop.create_future()
        if (ready := self._ready.get(path)) is not None:
            found.set_result(ready)
            return found
        loading = loop.run_in_executor(self._disk, load, path)
        loading.add_done_callback(lambda done: _hand_over(path, done, found))
        return found


def _hand_over(path: Path, done: asyncio.Future[Encoded], found: asyncio.Future[Encoded]) -> None:
    if done.cancelled() or found.done():
        return
    error = done.exception()
    if error is not None:
        log.error("a sound cannot be played", path=str(path), error=str(error))
    found.set_result({codec: [] for codec in CODECS} if error is not None else done.result())


@dataclass
class _Queued:
    token: int
    sounds: list[asyncio.Future[Encoded]]
    sound: int = 0
    frame: int = 0


@dataclass
class Player:
    """What one call hears next."""

    bank: SoundBank
    on_ended: Callable[[int], None]
    _queue: deque[_Queued] = field(default_factory=deque)
    _last_token: int = 0

    def play(self, sounds: Sequence[Path]) -> int:
        """Queue sounds; their token is reported to ``on_ended`` when the last was sent."""
        self._last_token += 1
        self._queue.append(_Queued(self._last_token, [self.bank.find(path) for path in sounds]))
        return self._last_token

    def stop(self) -> None:
        """Drop everything; nothing is reported."""
        self._queue.clear()

    def next_frame(self, codec: Codec) -> bytes | None:
        """The next 20 ms, None when there is nothing to say (yet)."""
        while self._queue:
            current = self._queue[0]
            if current.sound >= len(current.sounds):
                self._queue.popleft()
                self.on_ended(current.token)
                continue
            sound = current.sounds[current.sound]
            if not sound.done():
                return None
            frames = sound.result()[codec]
            if current.frame < len(frames):
                current.frame += 1
                return frames[current.frame - 1]
            current.sound, current.frame = current.sound + 1, 0
        return None
