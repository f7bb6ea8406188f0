"""Where sound goes: the contract, and the sink that is a file paced like a sound card."""

from __future__ import annotations

import json
import logging
import math
import queue
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from edge.blocks import FloatArray
from edge.clock import Clock, Timeline, instant, iso
from edge.config import Settings
from edge.errors import SinkFailed
from edge.files import sync_folder, write_whole

log = logging.getLogger(__name__)
_BLOCK_S = 0.02
_LATENCY_S = 0.5  # depth of the buffer: shorter stalls of a busy machine are not heard
_DYING_S = 0.05  # what is cut dies away within this
_MB = 1_000_000


@dataclass(frozen=True)
class Sounded:
    """What a sink did. ``first_s`` / ``last_s``: wall seconds of the clip's first and last sample,
    None if it never came to that. ``underruns``: holes the listener heard."""

    first_s: float | None
    last_s: float | None
    underruns: int
    file: Path | None


class Source(Protocol):
    """Where a sink takes its blocks from: a clip that keeps time, or somebody who speaks live.

    ``first_frame`` / ``last_frame``: device frames at which the sound began and ended, None if it
    has not come to that.
    """

    rate_hz: int
    first_frame: float | None
    last_frame: float | None

    @property
    def begun(self) -> bool:
        """Whether the first sample has been handed over."""
        ...

    @property
    def done(self) -> bool:
        """Whether the last sample has been handed over."""
        ...

    @property
    def silent(self) -> bool:
        """Whether it was hushed and has died away."""
        ...

    def hush(self) -> None:
        """Die away, for good."""
        ...

    def reopened(self, slope: float = 0.0) -> None:
        """The device was opened just now: its frames count from 0.

        ``slope``: by how much a second of its frames is expected to last longer than a second.
        """
        ...

    def block(self, frames: int, first: int, heard_at_s: float) -> FloatArray:
        """``frames`` samples (-1 to 1), the first of which is heard at monotonic ``heard_at_s``."""
        ...


class Sink(Protocol):
    """A way out for sound."""

    @property
    def kind(self) -> str:
        """``device`` or ``wav``."""
        ...

    def sound(
        self, play_id: int, source: Source, timeline: Timeline, stop: threading.Event
    ) -> Sounded:
        """Take blocks from ``source`` until it is done or ``stop`` is set. Blocks meanwhile.

        After ``stop`` what is heard dies away, also what was taken ahead of its time; when it
        returns, nothing sounds any more. Raises SinkFailed when no sound can leave.
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
        import soundfile as sf  # 5 MB that a box with a sound card can do without

        try:
            with sf.SoundFile(file, "w", rate_hz, 1, subtype="PCM_16", format="WAV") as wav:
                while (samples := self._blocks.get()) is not None:
                    self.whole &= self.frames + len(samples) <= self._room_frames
                    if self.whole:
                        wav.write(samples)
                        self.frames += len(samples)
        except (OSError, sf.LibsndfileError) as error:
            self.error = error


class _Ahead:
    """Sound that was taken from the source and is not heard yet, on its way to ``tape``."""

    def __init__(self, tape: _Tape, rate_hz: int) -> None:
        self._tape = tape
        self._rate_hz = rate_hz
        self._blocks: deque[FloatArray] = deque()
        self._first = 0

    def add(self, samples: FloatArray) -> None:
        """These follow."""
        self._blocks.append(samples)

    def heard_until(self, frame: float) -> None:
        """What lies before ``frame`` has left the horn."""
        while self._blocks and self._first + len(self._blocks[0]) <= frame:
            self._first += len(self._blocks[0])
            self._tape.write(self._blocks.popleft())

    def cut_at(self, frame: float) -> None:
        """From ``frame`` on it dies away, and what comes after that is never heard."""
        self.heard_until(frame)
        if not self._blocks:
            return
        rest = np.concatenate(self._blocks)
        self._blocks.clear()
        gone = (np.arange(len(rest)) + self._first - frame) / (_DYING_S * self._rate_hz)
        dying = rest * np.clip(1 - gone, 0, 1).astype(np.float32)
        self._tape.write(dying[gone < 1])


class WavSink:
    """Writes one WAV a play under ``sounded/``, in real time, with the instant of its first sample.

    It behaves like a sound card with its own sample counter: blocks are taken ``_LATENCY_S`` before
    they are heard, and what comes too late leaves a hole of silence. Beside ``play-7.wav`` lies
    ``play-7.json`` with play_id, rate_hz, first_sample_at, frames, underruns, complete, and
    clip_began_at and clip_ended_at (null when it did not come to that).
    """

    kind = "wav"

    def __init__(self, folder: Path, settings: Settings, clock: Clock) -> None:
        self._folder = folder
        self._limit_bytes = int(settings.sounded_limit_mb * _MB)
        self._clock = clock

    def sound(
        self, play_id: int, source: Source, timeline: Timeline, stop: threading.Event
    ) -> Sounded:
        """See Sink."""
        final = self._folder / f"play-{play_id}.wav"
        partial = final.with_suffix(".wav.part")
        # The file must not grow past the folder's limit; the time goes on all the same.
        tape = _Tape(partial, source.rate_hz, self._limit_bytes // 2)
        opened_s = self._clock.mono_s() + _LATENCY_S
        try:
            underruns, cut_frame = self._run(tape, source, opened_s, stop)
        finally:
            tape.close()
        if tape.error is not None:
            partial.unlink(missing_ok=True)
            raise SinkFailed(f"the sound could not be written: {tape.error}") from tape.error
        first_sample_s = timeline.wall_s(opened_s)

        def wall_s(frame: float | None) -> float | None:
            return None if frame is None else first_sample_s + frame / source.rate_hz

        first_s, last_s = wall_s(source.first_frame), wall_s(source.last_frame)
        cut_s = wall_s(cut_frame)
        if cut_s is not None and first_s is not None:
            first_s = first_s if first_s < cut_s else None
            last_s = None if first_s is None else min(cut_s, last_s or cut_s)
        is_whole = tape.whole and source.done and cut_frame is None
        facts = {
            "play_id": play_id,
            "rate_hz": source.rate_hz,
            "first_sample_at": iso(instant(first_sample_s)),
            "frames": tape.frames,
            "underruns": underruns,
            "complete": is_whole,
            "clip_began_at": None if first_s is None else iso(instant(first_s)),
            "clip_ended_at": None if last_s is None else iso(instant(last_s)),
        }
        try:
            write_whole(final.with_suffix(".json"), json.dumps(facts).encode())
            partial.replace(final)
            sync_folder(self._folder)
            self._remove_oldest(final)
        except OSError as error:
            raise SinkFailed(f"the sound could not be kept: {error}") from error

        file = final if is_whole else None
        return Sounded(first_s, last_s, underruns, file)

    def _run(
        self, tape: _Tape, source: Source, opened_s: float, stop: threading.Event
    ) -> tuple[int, float | None]:
        """Number of holes, and the frame at which it was cut, if it was."""
        rate_hz, block = source.rate_hz, round(source.rate_hz * _BLOCK_S)
        ahead, frame, underruns = _Ahead(tape, rate_hz), 0, 0
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
            ahead.add(samples)
            ahead.heard_until((self._clock.mono_s() - opened_s) * rate_hz)
        if source.last_frame is not None:
            heard_out_s = opened_s + source.last_frame / rate_hz
            stop.wait(max(0.0, heard_out_s - self._clock.mono_s()))
        if not stop.is_set():
            ahead.heard_until(frame)
            return underruns, None
        source.hush()
        now_frame = max(0.0, (self._clock.mono_s() - opened_s) * rate_hz)
        ahead.cut_at(now_frame)
        return underruns, now_frame

    def _remove_oldest(self, newest: Path) -> None:
        files = sorted(self._folder.glob("*.wav"), key=lambda file: file.stat().st_mtime)
        total = sum(file.stat().st_size for file in files)
        for file in files:
            if total <= self._limit_bytes or file == newest:
                break
            total -= file.stat().st_size
            file.unlink()
            file.with_suffix(".json").unlink(missing_ok=True)
