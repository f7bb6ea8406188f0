"""Listening and recording: what arrives, at its place in time, on the disk within a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

import structlog

from hotline.call import RecordingStopped, StopReason
from hotline.sip.g711 import FRAME_MS, RATE_HZ
from hotline.sip.take import Pieces, TakeFile
from hotline.sip.timeline import BYTES_PER_SAMPLE, SoundBuffer, Timeline
from hotline.sip.voice import VoiceMeter

log = structlog.get_logger(__name__)

SPEECH_HEARD_MS = 300
LISTEN_BYTES = 30 * RATE_HZ * BYTES_PER_SAMPLE
FLUSH_TICKS = 50
PAUSE_GRACE_TICKS = 100
"""A phone that sends nothing while nobody speaks gets 2 s beyond the limit, by the clock."""
STALLED_BYTES = 60 * RATE_HZ * BYTES_PER_SAMPLE
"""A disk that has taken nothing for a minute counts as lost."""


class _Take:
    """The part of a recording that ends with it."""

    def __init__(self, path: Path, limit_s: float, silence_s: float, origin: int) -> None:
        self.file = TakeFile(path)
        self.limit_bytes = int(limit_s * RATE_HZ) * BYTES_PER_SAMPLE
        self.limit_ticks = int(limit_s * 1000) // FRAME_MS + PAUSE_GRACE_TICKS
        self.silence_ticks = int(silence_s * 1000) // FRAME_MS
        self.origin = origin
        self.ticks = 0
        self.quiet_ticks = 0
        self.flush_at_tick = 1
        self.flushing: asyncio.Future[None] | None = None
        self.disk_failed = False
        self.stopping = False


class Recorder:
    """A call's ears. Runs on the event loop; only the disk work goes to ``disk``."""

    def __init__(
        self,
        disk: Executor,
        *,
        on_speech: Callable[[], None],
        on_stopped: Callable[[RecordingStopped], None],
    ) -> None:
        self._disk = disk
        self._on_speech = on_speech
        self._on_stopped = on_stopped
        self._take: _Take | None = None
        self._finishing: asyncio.Task[None] | None = None
        self._listening = False
        self._start_anew()

    def _start_anew(self) -> None:
        self._timeline = Timeline()
        self._buffer = SoundBuffer()
        self._voice = VoiceMeter()
        self._told_speech = False

    @property
    def recording(self) -> bool:
        """Whether a take grows."""
        return self._take is not None and not self._take.stopping

    def listen(self) -> None:
        """Keep sound in memory, at most the newest 30 s."""
        if self._take is None:
            self._start_anew()
            self._listening = True

    def forget(self) -> None:
        """Stop listening and throw away what was kept."""
        self._listening = False
        if self._take is None:
            self._start_anew()

    def record(self, path: Path, *, limit_s: float, silence_s: float, keep_heard: bool) -> None:
        """Begin a take. Raises RuntimeError while another one runs."""
        if self._take is not None:
            raise RuntimeError("a take is running; stop it first")
        if not (keep_heard and self._listening):
            self._start_anew()
        self._listening = False
        self._take = _Take(path, limit_s, silence_s, self._buffer.start)

    def source_changed(self) -> None:
        """The call was changed; the caller's sound may have begun anew."""
        self._timeline.renew()

    def hear(self, ssrc: int, timestamp: int, pcm: bytes, tick: int) -> None:
        """Take in one frame of the caller's sound."""
        take = self._take
        if take is None and not self._listening:
            return
        if take is not None and take.stopping:
            return
        samples = len(pcm) // BYTES_PER_SAMPLE
        position = self._timeline.place(ssrc, timestamp, samples, tick)
        if position < 0:
            return
        self._buffer.place(position * BYTES_PER_SAMPLE, pcm)
        if self._voice.hear(pcm) and take is not None:
            take.quiet_ticks = 0
        if not self._told_speech and self._voice.speech_ms >= SPEECH_HEARD_MS:
            self._told_speech = True
            self._on_speech()
        if take is None:
            self._buffer.forget_before(LISTEN_BYTES)

    def tick(self, *, held: bool) -> None:
        """20 ms passed: send a second's sound to the disk, see whether the take is over."""
        take = self._take
        if take is None or take.stopping:
            return
        take.ticks += 1
        if not held:
            take.quiet_ticks += 1
        if take.disk_failed or self._buffer.end - self._buffer.start > STALLED_BYTES:
            self.stop("disk")
        elif self._buffer.end - take.origin >= take.limit_bytes or take.ticks >= take.limit_ticks:
            self.stop("limit")
        elif take.quiet_ticks >= take.silence_ticks:
            self.stop("silence")
        elif take.ticks >= take.flush_at_tick and take.flushing is None:
            self._flush(take)

    def stop(self, reason: StopReason) -> None:
        """End the take; RecordingStopped follows once the file is safe. Else nothing happens."""
        take = self._take
        if take is None or take.stopping:
            return
        take.stopping = True
        self._finishing = asyncio.get_running_loop().create_task(self._finish(take, reason))

    async def finished(self) -> None:
        """Wait until no take is on its way to the disk."""
        if self._finishing is not None:
            await asyncio.shield(self._finishing)

    def _pieces(self, take: _Take) -> Pieces:
        return [(offset - take.origin, data) for offset, data in self._buffer.drain()]

    def _flush(self, take: _Take) -> None:
        take.flush_at_tick = take.ticks + FLUSH_TICKS
        loop = asyncio.get_running_loop()
        take.flushing = loop.run_in_executor(self._disk, take.file.write, self._pieces(take))
        take.flushing.add_done_callback(lambda done: self._flushed(take, done))

    @staticmethod
    def _flushed(take: _Take, done: asyncio.Future[None]) -> None:
        take.flushing = None
        if not done.cancelled() and (error := done.exception()) is not None:
            take.disk_failed = True
            log.error("the disk refused a recording", take=take.file.path.name, error=str(error))

    async def _finish(self, take: _Take, reason: StopReason) -> None:
        if take.flushing is not None:
            await asyncio.wait([take.flushing])
        loop = asyncio.get_running_loop()
        length = min(self._buffer.end - take.origin, take.limit_bytes)
        pieces = [] if take.disk_failed else self._pieces(take)
        try:
            await loop.run_in_executor(self._disk, take.file.finish, pieces, length)
        except OSError as error:
            take.disk_failed = True
            log.error("a recording is incomplete", take=take.file.path.name, error=str(error))
        duration_ms = take.file.written_bytes // BYTES_PER_SAMPLE * 1000 // RATE_HZ
        stopped = RecordingStopped(
            reason="disk" if take.disk_failed else reason,
            duration_ms=duration_ms,
            speech_ms=min(self._voice.speech_ms, duration_ms),
        )
        self._take = None
        self._start_anew()
        self._on_stopped(stopped)
