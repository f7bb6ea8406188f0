"""The sound card, by PortAudio: found again when it was pulled out, and when it comes late."""

from __future__ import annotations

import importlib
import logging
import statistics
import threading
from collections import deque
from collections.abc import Callable
from types import ModuleType
from typing import Any

from edge.clock import Clock, Timeline
from edge.config import Home, Settings
from edge.crystal import Crystals, Trend
from edge.errors import CardAway, SinkFailed
from edge.sinks import Sink, Sounded, Source, WavSink

log = logging.getLogger(__name__)
_BLOCK_S = 0.02
_LATENCY_S = 0.1
_STALLED_S = 1.0
_DYING_S = 0.3  # the longest wait for hushed sound to leave
_RETURN_WITHIN_S = 20.0  # a card that is away longer has failed
_LOOK_EVERY_S = 0.5
_STAMPS = 100
_SETTLED_S = 2.0  # what a card says of its delay is wrong at first


class _Stream:
    """What the callback shares with the thread that waits for it."""

    def __init__(self, source: Source, clock: Clock) -> None:
        self.source = source
        self.clock = clock
        self.frame = 0
        self.underruns = 0
        self.offsets: deque[float] = deque(maxlen=_STAMPS)
        self.first_heard_s: float | None = None
        self.trend = Trend()
        self.alive = threading.Event()
        self.error: Exception | None = None
        self.opened = False

    def callback(self, out: Any, frames: int, time: Any, status: Any) -> None:
        """Called by PortAudio in its own thread; an exception must not leave it."""
        try:
            latency_s = time.outputBufferDacTime - time.currentTime
            heard_at_s = self.clock.mono_s() + latency_s
            if status.output_underflow:
                self.underruns += 1
            offset_s = heard_at_s - self.frame / self.source.rate_hz
            self.offsets.append(offset_s)
            if self.frame > _SETTLED_S * self.source.rate_hz:
                self.trend.add(heard_at_s, offset_s)
            had_begun = self.source.begun
            out[:, 0] = self.source.block(frames, self.frame, heard_at_s)
            self.frame += frames
            if self.source.first_frame is not None and not had_begun:
                self.first_heard_s = self.heard_at_s(self.source.first_frame)
        except Exception as error:
            out[:] = 0
            self.error = error
        self.alive.set()

    def heard_at_s(self, frame: float) -> float:
        """Monotonic instant of a device frame, by the card's own recent time stamps."""
        return frame / self.source.rate_hz + statistics.median(self.offsets)


class DeviceSink:
    """Plays on the default output; PortAudio tells when each buffer reaches the converter.

    A card that is lost is opened again as soon as it is back, and the clip goes on where it would
    be by the clock. ``ok``: whether the card took sound when it was last asked to.
    """

    kind = "device"

    def __init__(
        self, portaudio: ModuleType, clock: Clock, crystals: Crystals | None = None
    ) -> None:
        """``crystals``: where it is remembered how wrong each card runs."""
        self._portaudio = portaudio
        self._crystals = crystals
        self._clock = clock
        self.ok = True
        self.name = _name(portaudio)

    def sound(
        self, play_id: int, source: Source, timeline: Timeline, stop: threading.Event
    ) -> Sounded:
        """See Sink."""
        first_s: float | None = None
        underruns = 0
        working_s = self._clock.mono_s()
        while True:
            source.reopened(self._slope(source.rate_hz))
            stream = _Stream(source, self._clock)
            problem = self._play(stream, stop)
            if self._crystals is not None:
                self._crystals.learn(self.name, source.rate_hz, stream.trend)
            underruns += stream.underruns
            if stream.first_heard_s is not None:
                first_s = timeline.wall_s(stream.first_heard_s)
            self.ok = problem is None
            if problem is None:
                break
            if stream.error is not None:
                raise SinkFailed(f"sounding failed: {stream.error}") from stream.error
            if stream.frame:
                working_s = self._clock.mono_s()
            if self._clock.mono_s() - working_s > _RETURN_WITHIN_S:
                failed = SinkFailed if stream.opened else CardAway
                raise failed(f"play {play_id}: {problem}")
            log.warning("play %s: %s; opening the sound card again", play_id, problem)
            if stop.wait(_LOOK_EVERY_S):
                break
            _look_again(self._portaudio)
            self.name = _name(self._portaudio)
        last_s = None
        if source.last_frame is not None:
            last_s = float(timeline.wall_s(stream.heard_at_s(source.last_frame)))
        return Sounded(first_s, last_s, underruns, None)

    def _slope(self, rate_hz: int) -> float:
        return self._crystals.slope(self.name, rate_hz) if self._crystals is not None else 0.0

    def _play(self, stream: _Stream, stop: threading.Event) -> str | None:
        """Sound until the clip is over or ``stop``; what is wrong with the card, if anything."""
        rate_hz = stream.source.rate_hz
        try:
            card = self._portaudio.OutputStream(
                samplerate=rate_hz,
                channels=1,
                dtype="float32",
                blocksize=round(rate_hz * _BLOCK_S),
                latency=_LATENCY_S,
                callback=stream.callback,
            )
        except (self._portaudio.PortAudioError, ValueError, OSError) as error:
            return f"the sound card refused: {error}"
        stream.opened = True
        problem: str | None = "the sound card stopped taking sound"
        try:
            card.start()
            if self._wait(card, stream, stop):
                card.stop()
                problem = None
        except self._portaudio.PortAudioError as error:
            problem = f"the sound card failed: {error}"
        finally:
            if problem is not None:
                card.abort(ignore_errors=True)
            card.close(ignore_errors=True)
        return problem

    def _wait(self, card: Any, stream: _Stream, stop: threading.Event) -> bool:
        """Whether it came to a good end."""
        source = stream.source
        while not stop.is_set() and not source.done:
            stream.alive.clear()
            if not stream.alive.wait(_STALLED_S) or stream.error is not None or not card.active:
                return False
        if stop.is_set():
            source.hush()
            until_s = self._clock.mono_s() + _DYING_S
            while not source.silent and self._clock.mono_s() < until_s:
                stream.alive.clear()
                stream.alive.wait(_BLOCK_S)
        elif source.last_frame is not None:
            heard_out_s = stream.heard_at_s(source.last_frame)
            stop.wait(max(0.0, heard_out_s - self._clock.mono_s()))
        return True


class NoCard:
    """Stands for a card that settings demand and that is not there: nothing sounds, and the box
    stays up to say so."""

    kind = "device"
    name = ""
    ok = False

    def __init__(self, why: object) -> None:
        self._why = why

    def sound(
        self, play_id: int, source: Source, timeline: Timeline, stop: threading.Event
    ) -> Sounded:
        """SinkFailed."""
        raise SinkFailed(f'sink = "device", but no sound card answers: {self._why}')


class Output:
    """``without``: files, or nothing, while there is no sound card; the card from the next play on
    after it has come."""

    def __init__(self, without: Sink, find: Callable[[], DeviceSink | None]) -> None:
        self._sink: Sink = without
        self._find = find

    @property
    def has_card(self) -> bool:
        """Whether a sound card was found."""
        return isinstance(self._sink, DeviceSink)

    @property
    def kind(self) -> str:
        """``device`` or ``wav``, of the play that sounds or sounded last."""
        return self._sink.kind

    @property
    def name(self) -> str:
        """What the card calls itself."""
        return str(getattr(self._sink, "name", ""))

    @property
    def ok(self) -> bool:
        """Whether the last play could leave."""
        return bool(getattr(self._sink, "ok", True))

    def sound(
        self, play_id: int, source: Source, timeline: Timeline, stop: threading.Event
    ) -> Sounded:
        """See Sink."""
        if not self.has_card:
            found = self._find()
            if found is not None:
                log.info("a sound card has come: %s", found.name)
                self._sink = found
        return self._sink.sound(play_id, source, timeline, stop)


def choose(home: Home, settings: Settings, clock: Clock, crystals: Crystals | None = None) -> Sink:
    """The sound card where there is one and it is wanted, else files; nothing else where settings
    demand a card."""
    files = WavSink(home.sounded, settings, clock)
    if settings.sink == "wav":
        return files

    def without(error: Exception) -> Sink:
        log.warning("no sound card: %s", error)
        return NoCard(error) if settings.sink == "device" else files

    try:
        portaudio = importlib.import_module("sounddevice")
    except (ImportError, OSError) as error:
        return Output(without(error), lambda: None)
    try:
        portaudio.query_devices(kind="output")
        return DeviceSink(portaudio, clock, crystals)
    except Exception as error:  # PortAudioError has no importable name without PortAudio
        instead = without(error)

    def find() -> DeviceSink | None:
        try:
            _look_again(portaudio)
            portaudio.query_devices(kind="output")
        except Exception as error:
            log.debug("still no sound card: %s", error)
            return None
        return DeviceSink(portaudio, clock, crystals)

    return Output(instead, find)


def _look_again(portaudio: ModuleType) -> None:
    """PortAudio lists the cards once, when it starts: start it anew."""
    try:
        portaudio._terminate()
    finally:
        portaudio._initialize()


def _name(portaudio: ModuleType) -> str:
    try:
        return str(portaudio.query_devices(kind="output")["name"])
    except Exception:
        return ""
