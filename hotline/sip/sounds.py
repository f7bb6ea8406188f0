"""One sound on its way to one caller: encoded ahead, or read and encoded beside the clock.

A file is read five seconds at a time in the codec of the call, so that half an hour of news begins
as soon as a word does and never lies in memory as a whole.
"""

from __future__ import annotations

import asyncio
import wave
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Protocol

import structlog

from hotline.sip import g711
from hotline.sip.g711 import Codec

PIECE_SAMPLES = 250 * g711.FRAME_SAMPLES
SAMPLE_BYTES = 2
log = structlog.get_logger("hotline.sip.prompts")


class Sound(Protocol):
    """Lives on the event loop; belongs to one caller."""

    @property
    def over(self) -> bool:
        """Whether all of it was sent, or nothing more of it can be had."""
        ...

    def prepare(self, codec: Codec) -> None:
        """Its turn comes soon."""
        ...

    def next_frame(self, codec: Codec) -> bytes | None:
        """The next 20 ms; None when it is over, or not read yet."""
        ...

    def close(self) -> None:
        """Nobody hears more of it."""
        ...


class EncodedSound:
    """A sound that was encoded before the call."""

    def __init__(self, frames: dict[Codec, list[bytes]]) -> None:
        self._frames = frames
        self._count = min(map(len, frames.values()))
        self._next = 0

    @property
    def over(self) -> bool:
        return self._next >= self._count

    def prepare(self, codec: Codec) -> None:
        pass

    def next_frame(self, codec: Codec) -> bytes | None:
        if self.over:
            return None
        self._next += 1
        return self._frames[codec][self._next - 1]

    def close(self) -> None:
        pass


class FileSound:
    """A sound read from its file while it is heard: one piece, and the next one beside it."""

    def __init__(self, path: Path, disk: Executor) -> None:
        self._path = path
        self._file = _SoundFile(path)
        self._disk = disk
        self._codec: Codec = "PCMA"
        self._piece, self._sent = b"", 0
        self._following: tuple[Codec, bytes] | None = None
        self._reading: asyncio.Future[bytes] | None = None
        self._read_up = False
        self._closed = False

    @property
    def over(self) -> bool:
        return self._is_sent and self._following is None and self._read_up

    @property
    def _is_sent(self) -> bool:
        return self._sent >= len(self._piece)

    def prepare(self, codec: Codec) -> None:
        """Read the next piece, unless it is there."""
        if self._following is not None or self._reading is not None or self._read_up:
            return
        loop = asyncio.get_running_loop()
        self._reading = loop.run_in_executor(self._disk, self._file.read, codec)
        self._reading.add_done_callback(lambda done: self._have_read(codec, done))

    def _have_read(self, codec: Codec, done: asyncio.Future[bytes]) -> None:
        self._reading = None
        if done.cancelled() or self._closed:
            self._end()
            return
        if (error := done.exception()) is not None:
            log.error("a sound cannot be played", path=str(self._path), error=str(error))
            self._end()
            return
        piece = done.result()
        self._following = (codec, piece) if piece else None
        if len(piece) < PIECE_SAMPLES:
            self._end()

    def _end(self) -> None:
        self._read_up = True
        self._file.close()

    def next_frame(self, codec: Codec) -> bytes | None:
        if self._is_sent and self._following is not None:
            (self._codec, self._piece), self._sent, self._following = self._following, 0, None
        self.prepare(codec)
        if self._is_sent:
            return None
        begins, self._sent = self._sent, self._sent + g711.FRAME_SAMPLES
        return g711.translate(self._codec, codec, self._piece[begins : self._sent])

    def close(self) -> None:
        self._closed = True
        if self._reading is None:
            self._end()


class _SoundFile:
    """WAV (8 kHz, mono, 16 bit) or raw PCM of a take (``.pcm``). ``read`` blocks.

    It stays open while it is heard: a file that goes meanwhile is heard to its end.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pcm: Callable[[int], bytes] | None = None
        self._close: Callable[[], None] = lambda: None

    def read(self, codec: Codec) -> bytes:
        """The next piece, encoded; a shorter one (whole frames all the same) is the last.

        Raises OSError, EOFError, wave.Error or ValueError when it cannot be used.
        """
        if self._pcm is None:
            self._pcm = self._open()
        encoded = g711.encode(codec, self._pcm(PIECE_SAMPLES))
        return encoded + g711.SILENCE[codec][: -len(encoded) % g711.FRAME_SAMPLES]

    def _open(self) -> Callable[[int], bytes]:
        if self._path.suffix == ".pcm":
            raw = self._path.open("rb")
            self._close = raw.close
            return lambda samples: raw.read(samples * SAMPLE_BYTES)
        sound = wave.open(str(self._path), "rb")  # noqa: SIM115 - closed when it was heard
        self._close = sound.close
        check_shape(sound)
        return sound.readframes

    def close(self) -> None:
        self._close()


def check_shape(sound: wave.Wave_read) -> None:
    """Raises ValueError for a WAV that a telephone cannot play."""
    shape = (sound.getframerate(), sound.getnchannels(), sound.getsampwidth())
    if shape != (g711.RATE_HZ, 1, SAMPLE_BYTES):
        raise ValueError(f"a prompt is 8 kHz, mono, 16 bit; this one is {shape}")
