"""The process ``transcribe.decoding`` seen from outside: requests go in, answers come out."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from core.errors import N_, ToolFailed
from transcribe.complaints import Complaints
from transcribe.stopwatch import Stopwatch

PROGRAM = "transcribe.decoding"
POLL_S = 0.2
Answer = dict[str, Any]
_ROOT = Path(__file__).resolve().parent.parent


class DecoderFailed(ToolFailed):
    """The decoder did not survive a sound, or is gone itself."""

    code = "decoder_failed"
    retriable = True


class DecoderGone(DecoderFailed):
    """The process with the model ended; ``start`` brings a new one."""

    code = "decoder_gone"


class DecoderProcess:
    """Starts with the model in ``model``; may be asked from several threads at once."""

    def __init__(self, model: Path, complaints: Complaints) -> None:
        self._ids = itertools.count(1)
        self._lock, self._sending = threading.Lock(), threading.Lock()
        self._waiting: dict[int, Future[Answer]] = {}
        self._ready = Future[Answer]()
        path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        with complaints.path.open("ab", buffering=0) as sink:
            sink.truncate(0)
            self._process = subprocess.Popen(
                [sys.executable, "-m", PROGRAM, str(model)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                cwd=_ROOT,
                env={**os.environ, "PYTHONPATH": path},
                start_new_session=True,
            )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def wait_until_ready(self, stopwatch: Stopwatch, on_wait: Callable[[], None]) -> None:
        """Until the model is loaded; DecoderGone or TimeoutError when it will not be."""
        _wait(self._ready, stopwatch, on_wait)

    def new_id(self) -> int:
        """A number for the next request."""
        return next(self._ids)

    def ask(self, request: Answer, stopwatch: Stopwatch, on_wait: Callable[[], None]) -> Answer:
        """The answer to ``request`` (with its "id"); giving up aborts what it began.

        Raises DecoderGone, TimeoutError or whatever ``on_wait`` raises.
        """
        number, answer = request["id"], Future[Answer]()
        with self._lock:
            self._waiting[number] = answer
        try:
            self.send(request)
            return _wait(answer, stopwatch, on_wait)
        finally:
            with self._lock:
                self._waiting.pop(number, None)
            if not answer.done() and self.alive:
                self.send({"abort": number})

    def send(self, request: Answer) -> None:
        """Give ``request`` to the process; nobody waits for an answer."""
        assert self._process.stdin is not None
        left = json.dumps(request).encode() + b"\n"
        try:
            with self._sending:
                while left:
                    left = left[os.write(self._process.stdin.fileno(), left) :]
        except (OSError, ValueError):
            raise DecoderGone(N_("The decoder is not running.")) from None

    def kill(self) -> None:
        """End the process and everything it decodes, paused or not, at once."""
        self._process.kill()  # its children die with it (PDEATHSIG)
        self._process.wait()
        self._listener.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _listen(self) -> None:
        """Hand each answer to who waits for it; runs in a thread of its own."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            answer = json.loads(line)
            if "ready" in answer:
                self._ready.set_result(answer)
                continue
            with self._lock:
                waiting = self._waiting.pop(answer["id"], None)
            if waiting is not None:
                waiting.set_result(answer)
        self._process.wait()
        gone = DecoderGone(N_("The decoder is not running."))
        with self._lock:
            orphans, self._waiting = list(self._waiting.values()), {}
        for future in (self._ready, *orphans):
            if not future.done():
                future.set_exception(gone)


def _wait(answer: Future[Answer], stopwatch: Stopwatch, on_wait: Callable[[], None]) -> Answer:
    while True:
        try:
            return answer.result(timeout=POLL_S)
        except TimeoutError:
            if answer.done():
                continue
            on_wait()
            if stopwatch.over:
                raise
