"""One recording that Asterisk makes and we keep: followed while it grows, fetched at its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import struct
import wave
from collections.abc import Sequence
from pathlib import Path

import structlog

from core.files import sync_folder
from hotline.asterisk.client import Ari, ChannelGone, Trouble
from hotline.call import RecordingStopped, StopReason
from hotline.sip.g711 import RATE_HZ
from hotline.sip.voice import speech_ms

log = structlog.get_logger(__name__)

PREFIX = "xiangyin-"
EVERY_S = 1.0
WAV_HEADER_BYTES = 44
FETCH_TRIES_S = (0.2, 0.5, 1.0, 2.0, 5.0)
_UNFINISHED_WAV = re.compile(rb"RIFF.{4}WAVEfmt \x10\0\0\0(.{16})data.{4}", re.DOTALL)
_ENDED_BY_LENGTH = 0.5
"""A take this close (s) to its limit was ended by it."""


def name_of(call_id: str, take: Path) -> str:
    """The recording's name at Asterisk: says whose it is should we die meanwhile."""
    return f"{PREFIX}{call_id}-{take.stem}"


class Taking:
    """A take that grows at Asterisk. ``recordings``: its folder, when this machine can read it.

    While the folder is read, each second of sound is copied and fsynced; without it the ``.part``
    is touched each second, so that the importer leaves the call alone. ``is_left``: the ``.part``
    waits for what Asterisk could not hand over at the end.
    """

    def __init__(
        self, ari: Ari, name: str, take: Path, *, limit_s: float, recordings: Path | None
    ) -> None:
        self.name = name
        self.take = take
        self._ari = ari
        self._limit_s = limit_s
        self._source = recordings / f"{name}.wav" if recordings else None
        self._part = take.with_name(take.name + ".part")
        self.is_left = False
        self._copied = 0
        self._stopped: StopReason | None = None
        self._trouble: Trouble | OSError | None = None
        self._part.touch(mode=0o600)
        sync_folder(take.parent)
        self._watch = asyncio.create_task(self._follow())

    def stopping(self, reason: StopReason) -> None:
        """Why it is about to end, told by whoever ends it; the first word counts."""
        self._stopped = self._stopped or reason

    async def finish(self, failed: str, *, can_wait: bool = False) -> RecordingStopped:
        """Fetch it, make it durable under its final name, and take it away from Asterisk.

        When Asterisk may still have it the ``.part`` is left, and ``is_left`` (or, with
        ``can_wait``, Trouble or OSError) says so; else what there is gets the name.
        """
        self._watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._watch
        pcm = await self._fetched(FETCH_TRIES_S[:1] if failed else FETCH_TRIES_S)
        if self._trouble is not None:
            if can_wait:
                raise self._trouble
            return await self._left()
        if pcm is None and self._copied:
            log.error("a recording could not be fetched; what was copied is kept", take=self.name)
        with contextlib.suppress(OSError):
            if pcm is not None:
                await asyncio.to_thread(_write, self._part, pcm)
            await asyncio.to_thread(_name, self._part, self.take)
        kept = await asyncio.to_thread(_read, self.take)
        if pcm is not None and kept == pcm:
            with contextlib.suppress(ChannelGone, Trouble):
                await self._ari.order("DELETE", "recordings", "stored", self.name)
        bad = pcm is None or kept != pcm
        return await _told("disk" if bad else self._reason(_ms(kept)), kept)

    async def _left(self) -> RecordingStopped:
        self.is_left = True
        log.error("a recording is fetched later", take=self.name, copied_bytes=self._copied)
        reason = self._stopped if self._stopped in ("hangup", "network") else None
        return await _told(reason or "unfetched", await asyncio.to_thread(_read, self._part))

    def _reason(self, duration_ms: int) -> StopReason:
        if self._stopped is not None:
            return self._stopped
        return "limit" if duration_ms / 1000 >= self._limit_s - _ENDED_BY_LENGTH else "silence"

    async def _fetched(self, tries_s: Sequence[float]) -> bytes | None:
        """Its samples; None when Asterisk has nothing to give."""
        wav = self.take.with_name(f".{self.take.name}.wav")
        try:
            for wait_s in (*tries_s, None):
                self._trouble = None
                try:
                    await self._ari.fetch(self.name, wav)
                    return await asyncio.to_thread(_samples, wav)
                except ChannelGone:  # it is stored a moment after it ended
                    if wait_s is None:
                        return None
                except (Trouble, OSError, wave.Error, EOFError) as error:
                    log.warning("a recording is not there yet", take=self.name, why=str(error))
                    self._trouble = error if isinstance(error, (Trouble, OSError)) else None
                    if wait_s is None:
                        return None
                await asyncio.sleep(wait_s)
            return None
        finally:
            wav.unlink(missing_ok=True)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                self._copied += await asyncio.to_thread(self._copy)
            except OSError as error:
                log.warning("a growing recording cannot be copied", take=self.name, why=str(error))

    def _copy(self) -> int:
        if self._source is None or not self._source.is_file():
            os.utime(self._part)
            return 0
        with self._source.open("rb") as growing, self._part.open("ab") as out:
            growing.seek(WAV_HEADER_BYTES + self._copied)
            data = growing.read()
            data = data[: len(data) - len(data) % 2]
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        return len(data)


async def _told(reason: StopReason, kept: bytes) -> RecordingStopped:
    spoken_ms = await asyncio.to_thread(speech_ms, kept)
    return RecordingStopped(reason, _ms(kept), min(spoken_ms, _ms(kept)))


def _ms(pcm: bytes) -> int:
    return len(pcm) // 2 * 1000 // RATE_HZ


def _samples(wav: Path) -> bytes:
    """Raises wave.Error or EOFError for anything but 8 kHz, mono, 16 bit."""
    return _unfinished(wav) or _finished(wav)


def _unfinished(wav: Path) -> bytes:
    """The sound of a file whose writer died: Asterisk writes the lengths when it closes it."""
    with wav.open("rb") as opened:
        head = _UNFINISHED_WAV.fullmatch(opened.read(WAV_HEADER_BYTES))
        if head is None or struct.unpack("<HHI", head[1][:8]) != (1, 1, RATE_HZ):
            return b""
        if head[0][-4:] != bytes(4) or head[1][-2:] != b"\x10\0":
            return b""
        sound = opened.read()
    return sound[: len(sound) - len(sound) % 2]


def _finished(wav: Path) -> bytes:
    with wave.open(str(wav), "rb") as opened:
        shape = (opened.getframerate(), opened.getnchannels(), opened.getsampwidth())
        if shape != (RATE_HZ, 1, 2):
            raise wave.Error(f"8 kHz, mono, 16 bit was asked for, not {shape}")
        return opened.readframes(opened.getnframes())


def _write(part: Path, pcm: bytes) -> None:
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(pcm)
        out.flush()
        os.fsync(out.fileno())


def _name(part: Path, take: Path) -> None:
    part.replace(take)
    sync_folder(take.parent)


def _read(take: Path) -> bytes:
    try:
        return take.read_bytes()
    except OSError:
        return b""
