"""The sound card, by PortAudio."""

from __future__ import annotations

import importlib
import logging
import statistics
import threading
from collections import deque
from types import ModuleType
from typing import Any

from edge.clock import Clock, Timeline
from edge.config import Home, Settings
from edge.errors import BadSettings, SinkFailed
from edge.follow import Follower
from edge.sinks import Sink, Sounded, WavSink

log = logging.getLogger(__name__)
_BLOCK_S = 0.02
_LATENCY_S = 0.1
_STALLED_S = 3.0
_STAMPS = 100


class _Stream:
    """What the callback shares with the thread that waits for it."""

    def __init__(self, source: Follower, clock: Clock) -> None:
        self.source = source
        self.clock = clock
        self.frame = 0
        self.underruns = 0
        self.offsets: deque[float] = deque(maxlen=_STAMPS)
        self.first_heard_s: float | None = None
        self.alive = threading.Event()
        self.error: Exception | None = None

    def callback(self, out: Any, frames: int, time: Any, status: Any) -> None:
        """Called by PortAudio in its own thread; an exception must not leave it."""
        try:
            latency_s = time.outputBufferDacTime - time.currentTime
            heard_at_s = self.clock.mono_s() + latency_s
            if status.output_underflow:
                self.underruns += 1
            self.offsets.append(heard_at_s - self.frame / self.source.rate_hz)
            out[:, 0] = self.source.block(frames, self.frame, heard_at_s)
            self.frame += frames
            if self.source.first_frame is not None and self.first_heard_s is None:
                self.first_heard_s = self.heard_at_s(self.source.first_frame)
        except Exception as error:
            out[:] = 0
            self.error = error
        self.alive.set()

    def heard_at_s(self, frame: float) -> float:
        """Monotonic instant of a device frame, by the card's own recent time stamps."""
        return frame / self.source.rate_hz + statistics.median(self.offsets)


class DeviceSink:
    """Plays on the default output; PortAudio tells when each buffer reaches the converter."""

    kind = "device"

    def __init__(self, portaudio: ModuleType, clock: Clock) -> None:
        self._portaudio = portaudio
        self._clock = clock

    def sound(
        self, play_id: int, source: Follower, timeline: Timeline, stop: threading.Event
    ) -> Sounded:
        """See Sink."""
        stream = _Stream(source, self._clock)
        try:
            with self._portaudio.OutputStream(
                samplerate=source.rate_hz,
                channels=1,
                dtype="float32",
                blocksize=round(source.rate_hz * _BLOCK_S),
                latency=_LATENCY_S,
                callback=stream.callback,
            ):
                self._wait(stream, stop)
        except self._portaudio.PortAudioError as error:
            raise SinkFailed(f"play {play_id}: the sound card refused: {error}") from error
        last_s = None
        if source.last_frame is not None:
            last_s = timeline.wall_s(stream.heard_at_s(source.last_frame))
        first_s = None if stream.first_heard_s is None else timeline.wall_s(stream.first_heard_s)
        return Sounded(first_s, last_s, stream.underruns, None)

    def _wait(self, stream: _Stream, stop: threading.Event) -> None:
        while not stop.is_set() and not stream.source.done:
            stream.alive.clear()
            if not stream.alive.wait(_STALLED_S):
                raise SinkFailed("the sound card stopped taking sound")
            if stream.error is not None:
                raise SinkFailed(f"sounding failed: {stream.error}") from stream.error
        if stream.source.last_frame is not None:
            heard_out_s = stream.heard_at_s(stream.source.last_frame)
            stop.wait(max(0.0, heard_out_s - self._clock.mono_s()))


def choose(home: Home, settings: Settings, clock: Clock) -> Sink:
    """The sound card where there is one and it is wanted, else files.

    Raises BadSettings when settings demand a card that is not there.
    """
    if settings.sink != "wav":
        try:
            portaudio = importlib.import_module("sounddevice")
            portaudio.query_devices(kind="output")
            return DeviceSink(portaudio, clock)
        except (ImportError, OSError, ValueError) as error:
            reason: Exception = error
        except Exception as error:  # PortAudioError has no importable name without PortAudio
            reason = error
        if settings.sink == "device":
            raise BadSettings(f'sink = "device", but no sound card answers: {reason}')
        log.info("no sound card (%s): sound goes to files", reason)
    return WavSink(home.sounded, settings, clock)
