"""Where sound goes: the contract, and the sink that is a file paced like a sound card."""

from __future__ import annotations

import json
import logging
import math
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import soundfile as sf

from edge.clock import Clock, Timeline, instant, iso
from edge.config import Settings, sync_folder, write_whole
from edge.errors import SinkFailed
from edge.follow import Follower

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
        try:
            with sf.SoundFile(
                partial, "w", source.rate_hz, 1, subtype="PCM_16", format="WAV"
            ) as wav:
                opened_s = self._clock.mono_s() + _LATENCY_S
                frames, underruns, whole = self._run(wav, source, opened_s, stop)
        except (OSError, sf.LibsndfileError) as error:
            partial.unlink(missing_ok=True)
            raise SinkFailed(f"the sound could not be written: {error}") from error
        first_sample_s = timeline.wall_s(opened_s)
        facts = {
            "play_id": play_id,
            "rate_hz": source.rate_hz,
            "first_sample_at": iso(instant(first_sample_s)),
            "frames": frames,
            "underruns": underruns,
            "complete": whole and source.done,
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

        file = final if source.done and whole else None
        return Sounded(wall_s(source.first_frame), wall_s(source.last_frame), underruns, file)

    def _run(
        self, wav: sf.SoundFile, source: Follower, opened_s: float, stop: threading.Event
    ) -> tuple[int, int, bool]:
        """Frames written, holes, and whether all of it went into the file."""
        rate_hz, block = source.rate_hz, round(source.rate_hz * _BLOCK_S)
        frame = written = underruns = 0
        # The file must not grow past the folder's limit; the time goes on all the same.
        room = self._limit_bytes // 2
        while not source.done:
            heard_at_s = opened_s + frame / rate_hz
            if stop.wait(max(0.0, heard_at_s - _LATENCY_S - self._clock.mono_s())):
                break
            late_s = self._clock.mono_s() - heard_at_s
            if late_s > 0:
                underruns += 1
                lost = math.ceil(late_s * rate_hz) + block
                samples = np.zeros(lost, np.float32)
            else:
                samples = source.block(block, frame, heard_at_s)
            frame += len(samples)
            if written + len(samples) <= room:
                wav.write(samples)
                written += len(samples)
        if source.last_frame is not None:
            heard_out_s = opened_s + source.last_frame / rate_hz
            stop.wait(max(0.0, heard_out_s - self._clock.mono_s()))
        return written, underruns, written == frame

    def _remove_oldest(self, newest: Path) -> None:
        files = sorted(self._folder.glob("*.wav"), key=lambda file: file.stat().st_mtime)
        total = sum(file.stat().st_size for file in files)
        for file in files:
            if total <= self._limit_bytes or file == newest:
                break
            total -= file.stat().st_size
            file.unlink()
            file.with_suffix(".json").unlink(missing_ok=True)
