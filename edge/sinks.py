"""Where sound goes: the contract, and the sink that is a file paced like a sound card."""

from __future__ import annotations

import json
import logging
import math
import queue
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import soundfile as sf

from edge.clock import Clock, Timeline, instant, iso
from edge.config import Settings, sync_folder, write_whole
from edge.errors import SinkFailed
from edge.follow import FloatArray, Follower

log = logging.getLogger(__name__)
_BLOCK_S = 0.02
_LATENCY_S = 0.5  # depth of the buffer: shorter stalls of a busy machine are not heard
_MB = 1_000_000


@dataclass(frozen=True)
class Sounded:
    """What a sink did. ``first_s`` / ``last_s``: wall seconds of the clip's first and last sample,
    None if it never came to that. ``underruns``: holes the listener heard."""

    first_s: float | None
    last_s: float | None
    underruns: int
    file: Path | None


class Sink(Protocol):
    """A way out for sound."""

    kind: str

    def sound(
        self, play_id: int, source: Follower, timeline: Timeline, stop: threading.Event
    ) -> Sounded:
        """Take blocks from ``source`` until it is done or ``stop`` is set. Blocks meanwhile.

        Raises SinkFailed when no sound can leave.
        """
        ...


class _Tape:
    """A WAV file written by a thread of its own: a slow disk must not hold up the sound.

    ``frames``: written so far; ``whole``: nothing was left out for want of room.
    """

    def __init__(self, file: Path, rate_hz: int, room_frames: int) -> None:
        self.frames = 0
        self.whole = True
        self.error: Exception | None = None
        self._room_frames = room_frames
        self._blocks: queue.SimpleQueue[FloatArray | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(file, rate_hz), daemon=True)
        self._thread.start()

    def write(self, samples: FloatArray) -> None:
        """Append, without waiting."""
        self._blocks.put(samples)

    def close(self) -> None:
        """Wait until everything is in the file."""
        self._blocks.put(None)
        self._thread.join()

    def _run(self, file: Path, rate_hz: int) -> None:
        try:
            with sf.SoundFile(file, "w", rate_hz, 1, subtype="PCM_16", format="WAV") as wav:
                while (samples := self._blocks.get()) is not None:
                    self.whole &= self.frames + len(samples) <= self._room_frames
                    if self.whole:
                        wav.write(samples)
                        self.frames += len(samples)
        except (OSError, sf.LibsndfileError) as error:
            self.error = error


class WavSink:
    """Writes one WAV a play under ``sounded/``, in real time, with the instant of its first sample.

    It behaves like a sound card with its own sample counter: blocks are taken ``_LATENCY_S`` before
    they are heard, and what comes too late leaves a hole of silence. Beside ``play-7.wav`` lies
    ``play-7.json`` with play_id, rate_hz, first_sample_at, frames, underruns and complete.
    """

    kind = "wav"

    def __init__(self, folder: Path, settings: Settings, clock: Clock) -> None:
        self._folder = folder
        self._limit_bytes = int(settings.sounded_limit_mb * _MB)
        self._clock = clock

    def sound(
        self, play_id: int, source: Follower, timeline: Timeline, stop: threading.Event
    ) -> Sounded:
        """See Sink."""
        final = self._folder / f"play-{play_id}.wav"
        partial = final.with_suffix(".wav.part")
        # The file must not grow past the folder's limit; the time goes on all the same.
        tape = _Tape(partial, source.rate_hz, self._limit_bytes // 2)
        opened_s = self._clock.mono_s() + _LATENCY_S
        try:
            underruns = self._run(tape, source, opened_s, stop)
        finally:
            tape.close()
        if tape.error is not None:
            partial.unlink(missing_ok=True)
            raise SinkFailed(f"the sound could not be written: {tape.error}") from tape.error
        first_sample_s = timeline.wall_s(opened_s)
        facts = {
            "play_id": play_id,
            "rate_hz": source.rate_hz,
            "first_sample_at": iso(instant(first_sample_s)),
            "frames": tape.frames,
            "underruns": underruns,
            "complete": tape.whole and source.done,
        }
        try:
            write_whole(final.with_suffix(".json"), json.dumps(facts).encode())
            partial.replace(final)
            sync_folder(self._folder)
            self._remove_oldest(final)
        except OSError as error:
            raise SinkFailed(f"the sound could not be kept: {error}") from error

        def wall_s(frame: float | None) -> float | None:
            return None if frame is None else first_sample_s + frame / source.rate_hz

        file = final if source.done and tape.whole else None
        return Sounded(wall_s(source.first_frame), wall_s(source.last_frame), underruns, file)

    def _run(self, tape: _Tape, source: Follower, opened_s: float, stop: threading.Event) -> int:
        """Number of holes."""
        rate_hz, block = source.rate_hz, round(source.rate_hz * _BLOCK_S)
        frame = underruns = 0
        while not source.done and tape.error is None:
            heard_at_s = opened_s + frame / rate_hz
            if stop.wait(max(0.0, heard_at_s - _LATENCY_S - self._clock.mono_s())):
                break
            late_s = self._clock.mono_s() - heard_at_s
            if late_s > 0:
                underruns += 1
                samples = np.zeros(math.ceil(late_s * rate_hz) + block, np.float32)
            else:
                samples = source.block(block, frame, heard_at_s)
            frame += len(samples)
            tape.write(samples)
        if source.last_frame is not None:
            heard_out_s = opened_s + source.last_frame / rate_hz
            stop.wait(max(0.0, heard_out_s - self._clock.mono_s()))
        return underruns

    def _remove_oldest(self, newest: Path) -> None:
        files = sorted(self._folder.glob("*.wav"), key=lambda file: file.stat().st_mtime)
        total = sum(file.stat().st_size for file in files)
        for file in files:
            if total <= self._limit_bytes or file == newest:
                break
            total -= file.stat().st_size
            file.unlink()
            file.with_suffix(".json").unlink(missing_ok=True)
