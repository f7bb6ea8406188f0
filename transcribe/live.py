"""The live process: hears sounds while they are recorded, a forked child for each.

It holds one loaded model and no database, and nobody waits for it. Killed, it is started again,
hears of the growing sounds within a second and reads each from its start. Another chosen model
makes it begin anew in the same way.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable

import structlog

from core import bell
from core.settings import Settings
from transcribe import audio, catalogue, child, following, live_line, turns
from transcribe.catalogue import InstalledModel
from transcribe.recogniser import STANDARD, Recogniser
from transcribe.stream import BELL, News, Shelf, Standing
from transcribe.turns import Stream

TICK_S = 0.25
LOOK_AT_MODEL_S = 2.0
SWEEP_S = 600.0
NEWS_BYTES = 65_536
LEAST_CPU_S, MEMORY_MB = 20, 1024
RESTARTS = 1
"""A child that crashed on a sound is tried once more; a decoder meets the sound anyway."""

log = structlog.get_logger("transcribe.live")


class ModelChanged(Exception):
    """Another model was chosen: begin anew."""


class Live:
    """Hears streams until ``stop``. Single-threaded: it forks."""

    def __init__(self, settings: Settings, recogniser: Recogniser, model: InstalledModel) -> None:
        self._settings, self._recogniser, self._model = settings, recogniser, model
        self._config = STANDARD
        self._shelf = Shelf(settings)
        self._cores = len(os.sched_getaffinity(0))
        self._cap = cap(settings, self._cores)
        self._streams: dict[str, Stream] = {}
        self._stopping = False
        self._bell = -1
        self._model_seen_at = self._swept_at = time.monotonic()

    def stop(self) -> None:
        """End soon; may be called in a signal handler."""
        self._stopping = True

    def run(self, on_ready: Callable[[], None]) -> None:
        """Serve until ``stop``; Conflict when another one serves here, ModelChanged."""
        with live_line.only_one(self._settings) as line:
            self._shelf.clear_standings()
            self._shelf.sweep()
            self._bell = child.child_bell()
            on_ready()
            try:
                while not self._stopping:
                    self._once(line)
            finally:
                for stream in self._streams.values():
                    self._kill(stream)
                signal.set_wakeup_fd(-1)

    def _once(self, line: socket.socket) -> None:
        readable, _, _ = select.select([line.fileno(), self._bell], [], [], TICK_S)
        if line.fileno() in readable:
            self._take_news(line)
        if self._bell in readable:
            os.read(self._bell, 4096)
        self._reap()
        now_s = time.monotonic()
        for stream in turns.fell_quiet(self._streams.values(), now_s):
            log.info("a stream fell quiet", key=stream.key)
            self._end(stream)
        self._start_waiting()
        self._give_turns(now_s)
        for stream in turns.to_forget(self._streams.values(), now_s):
            del self._streams[stream.key]
        self._keep_house(now_s)

    # What is told

    def _take_news(self, line: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                data = line.recv(NEWS_BYTES)
                try:
                    self._told(News.decode(data))
                except ValueError as error:
                    log.warning("news that cannot be read", error=str(error))

    def _told(self, news: News) -> None:
        stream = self._streams.get(news.key)
        if news.what == "gone":
            self._forget(news.key, stream)
        elif stream is None:
            if news.sound is not None:
                self._streams[news.key] = Stream(news.key, news.sound, time.monotonic())
                self._start_waiting()
        elif news.what == "done":
            self._end(stream)
        elif not stream.ended:
            stream.told_at_s = time.monotonic()

    def _forget(self, key: str, stream: Stream | None) -> None:
        if stream is not None:
            self._kill(stream)
            self._conclude(stream)
        with contextlib.suppress(OSError):
            self._shelf.forget(key)

    def _end(self, stream: Stream) -> None:
        if stream.ended or stream.over:
            return
        stream.ended, stream.told_at_s = True, time.monotonic()
        if stream.pipe is not None:
            with contextlib.suppress(BrokenPipeError):  # the child died; its end is taken in soon
                os.write(stream.pipe, b"!")
            self._note(stream)

    # The children

    def _start_waiting(self) -> None:
        for stream in turns.to_start(self._streams.values(), self._cap):
            self._start(stream)

    def _start(self, stream: Stream) -> None:
        if stream.sound.rate_hz not in audio.rates(takes_8khz=True):
            stream.over = True
            log.info("no decoder hears sound of this rate as it comes", key=stream.key)
            return
        reading, writing = os.pipe()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            os.close(writing)
            child.run(parent, lambda: self._hear(stream, reading))
        os.close(reading)
        stream.pid, stream.pipe = pid, writing
        self._note(stream)
        log.info("hearing a stream", key=stream.key, streams=len(self._pids()))

    def _hear(self, stream: Stream, pipe: int) -> int:
        """In the child."""
        child.limit_memory(MEMORY_MB)
        allow = following.allow_cpu(self._settings.decode_cpu_factor, LEAST_CPU_S)
        allow(0)
        sound = stream.sound
        widens = not self._model.takes_8khz and sound.rate_hz == audio.TELEPHONE_HZ
        rate_hz = audio.WIDE_HZ if widens else sound.rate_hz
        listening = self._recogniser.listen(rate_hz, self._config)
        ear = following.WideEar(listening) if widens else listening
        try:
            name = following.hear(
                following.Source(sound),
                ear,
                sound.rate_hz,
                following.Orders(pipe).ended,
                on_fed=allow,
            )
        except following.Changed:
            return following.EXIT_CHANGED
        except following.NoFile:
            return following.EXIT_NO_FILE
        heard = ear.finish()
        if isinstance(ear, following.WideEar):
            name = ear.name
        self._shelf.put(stream.key, name, self._standing(stream), heard)
        return 0

    def _reap(self) -> None:
        for stream in list(self._streams.values()):
            if stream.pid is None:
                continue
            done, status = os.waitpid(stream.pid, os.WNOHANG)
            if done:
                self._died(stream, os.waitstatus_to_exitcode(status))

    def _died(self, stream: Stream, code: int) -> None:
        self._let_go(stream)
        if code == 0:
            log.info("a stream was heard to its end", key=stream.key)
            bell.ring(BELL)
        elif code == following.EXIT_CHANGED:
            log.info("late packets changed a sound that was heard already", key=stream.key)
        elif code == following.EXIT_NO_FILE:
            log.info("a stream has no sound", key=stream.key)
        else:
            log.warning("hearing a stream broke", key=stream.key, code=code)
            if stream.restarts < RESTARTS and not stream.ended:
                stream.restarts += 1
                return
        self._conclude(stream)

    def _conclude(self, stream: Stream) -> None:
        stream.over = True
        with contextlib.suppress(OSError):
            self._shelf.over(stream.key)

    def _kill(self, stream: Stream) -> None:
        if stream.pid is None:
            return
        os.kill(stream.pid, signal.SIGKILL)
        os.waitpid(stream.pid, 0)
        self._let_go(stream)

    def _let_go(self, stream: Stream) -> None:
        if stream.pipe is not None:
            os.close(stream.pipe)
        stream.pid = stream.pipe = None
        stream.resting = False

    def _give_turns(self, now_s: float) -> None:
        rest = turns.resting(self._streams.values(), self._cores, now_s)
        for stream in self._streams.values():
            if stream.pid is not None and stream.resting != (stream.key in rest):
                stream.resting = not stream.resting
                os.kill(stream.pid, signal.SIGSTOP if stream.resting else signal.SIGCONT)

    def _pids(self) -> list[int]:
        return [stream.pid for stream in self._streams.values() if stream.pid is not None]

    def _standing(self, stream: Stream) -> Standing:
        return Standing(self._model.tree_hash, self._config.hash, stream.ended)

    def _note(self, stream: Stream) -> None:
        try:
            self._shelf.stands(stream.key, self._standing(stream))
        except OSError as error:
            log.warning("a stream cannot be noted; nobody will wait for it", error=str(error))

    def _keep_house(self, now_s: float) -> None:
        if now_s - self._model_seen_at > LOOK_AT_MODEL_S:
            self._model_seen_at = now_s
            if catalogue.choice_for(self._settings, (), None) != self._model:
                raise ModelChanged
        if now_s - self._swept_at > SWEEP_S:
            self._swept_at = now_s
            self._shelf.sweep()


def cap(settings: Settings, cores: int) -> int:
    """Streams at a time: as set, or twice the cores."""
    return settings.live_streams if settings.live_streams >= 0 else 2 * cores


def serve(settings: Settings, on_ready: Callable[[], None]) -> None:
    """Run until SIGTERM or SIGINT; returns also when another model was chosen: begin anew then.

    Raises ToolFailed or InvalidInput when the model does not load.
    """
    from transcribe import decoding  # loads libvosk: only here

    model = catalogue.choice_for(settings, (), None)
    if model.warning:
        log.warning(model.warning, model=model.name)
    live = Live(settings, decoding.load(model.path), model)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: live.stop())
    live.run(on_ready)


def main(settings: Settings, on_ready: Callable[[], None]) -> int:
    """The process: ``serve``, and again with each newly chosen model."""
    try:
        serve(settings, on_ready)
    except ModelChanged:
        log.info("another model was chosen")
        os.execv(sys.executable, [sys.executable, "-m", "transcribe", "live"])
    return 0
