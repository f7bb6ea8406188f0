"""Starts child processes in order, watches them, restarts those that die, stops in reverse."""

from __future__ import annotations

import ctypes
import logging
import logging.handlers
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.logs import masked

READY = "READY"
EXIT_CONFIGURATION = 78  # sysexits.h EX_CONFIG: trying again cannot help
FIRST_PAUSE_S, LONGEST_PAUSE_S, CALM_AFTER_S = 0.2, 10.0, 60.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


@dataclass(frozen=True)
class ChildSpec:
    """One process to keep alive. It prints a line READY on stdout when it can work."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    ready_within_s: float = 60.0
    needs_database: bool = False


class Child:
    """A process with its log file and the memory of its last words."""

    def __init__(self, spec: ChildSpec, log_folder: Path) -> None:
        self.spec = spec
        self.ready = threading.Event()
        self.last_words: deque[str] = deque(maxlen=15)
        self.process: subprocess.Popen[str] | None = None
        self.started_at_s = 0.0
        self.pause_s = FIRST_PAUSE_S
        self.restart_at_s: float | None = None
        self.given_up = False
        self.restarts = 0
        self._log = logging.getLogger(f"child.{spec.name}")
        self._log.propagate = False
        handler = logging.handlers.RotatingFileHandler(
            log_folder / f"{spec.name}.log", maxBytes=10_000_000, backupCount=3, encoding="utf-8"
        )
        self._log.addHandler(handler)
        self._log.setLevel(logging.INFO)

    def start(self) -> None:
        """Start the process; call it from the main thread only (see PR_SET_PDEATHSIG)."""
        self.ready.clear()
        self.restart_at_s = None
        self.started_at_s = time.monotonic()
        self.process = subprocess.Popen(
            list(self.spec.command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self.spec.environment},
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            text = masked(line.rstrip())  # whatever a child prints, a traceback as well
            if text == READY:
                self.ready.set()
                continue
            self.last_words.append(text)
            self._log.info(text)

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self, patience_s: float = 6.0) -> None:
        """Ask politely, then kill the whole process group."""
        if self.process is None:
            return
        if self.running:
            self.process.terminate()
        try:
            self.process.wait(patience_s)
        except subprocess.TimeoutExpired:
            pass
        finally:
            _kill_group(self.process.pid)
            self.process.wait()


class Supervisor:
    """Keeps a list of children alive until told to stop.

    ``order``: names of children that stop from last to first, whenever each was launched. Others
    stop before them.
    """

    def __init__(
        self, log_folder: Path, say: Callable[[str], None], order: Sequence[str] = ()
    ) -> None:
        self.children: list[Child] = []
        self._order = order
        self._folder = log_folder
        self._say = say
        self._stopping = threading.Event()

    def start(self, spec: ChildSpec) -> bool:
        """Start one child and wait until it is ready; False when it is not (it is watched on)."""
        return self.wait_ready(self.launch(spec))

    def launch(self, spec: ChildSpec) -> Child:
        """Start one child without waiting for it."""
        child = Child(spec, self._folder)
        self.children.append(child)
        child.start()
        return child

    def wait_ready(self, child: Child) -> bool:
        """Wait for a launched child's READY; the others are watched meanwhile."""
        deadline = time.monotonic() + child.spec.ready_within_s
        while time.monotonic() < deadline and not self._stopping.is_set():
            if child.ready.wait(0.05):
                return True
            self.look_once(but=child)
            if not child.running:
                self._died(child)
                return False
        if not self._stopping.is_set():
            self._say(
                f"{child.spec.name} is not ready after {child.spec.ready_within_s:.0f} s; going on"
            )
        return False

    def watch(self, until: Callable[[], bool] = lambda: False) -> bool:
        """Restart what dies until ``until`` holds (True) or ``stop_watching`` (False)."""
        while not self._stopping.wait(0.1):
            if until():
                return True
            self.look_once()
        return False

    def look_once(self, but: Child | None = None) -> None:
        """One round over the children: notice deaths, restart those that are due."""
        now = time.monotonic()
        for child in self.children:
            if child is but:
                continue
            if child.running:
                if now - child.started_at_s > CALM_AFTER_S:
                    child.pause_s = FIRST_PAUSE_S
            elif child.restart_at_s is None and not child.given_up:
                self._died(child)
            elif child.restart_at_s is not None and now >= child.restart_at_s:
                child.restarts += 1
                child.start()
                self._say(f"{child.spec.name} was started again (restart {child.restarts})")

    def _died(self, child: Child) -> None:
        assert child.process is not None
        code = child.process.poll()
        time.sleep(0.05)  # let the reader take the last lines
        if code == EXIT_CONFIGURATION:
            child.given_up = True
            said = (line for line in reversed(child.last_words) if not line.startswith("{"))
            words = next(said, "no reason was given")  # a line for people, not for the log
            self._say(f"{child.spec.name} cannot start: {words}")
            return
        child.restart_at_s = time.monotonic() + child.pause_s
        how = f"signal {-code}" if code is not None and code < 0 else f"exit {code}"
        self._say(f"{child.spec.name} ended ({how}); starting it again in {child.pause_s:.1f} s")
        child.pause_s = min(child.pause_s * 2, LONGEST_PAUSE_S)

    def stop_watching(self) -> None:
        """Make ``watch`` and waiting starts return; safe inside a signal handler."""
        self._stopping.set()

    def stop_all(self) -> None:
        """Stop the children in reverse: of ``order``, else of their start."""
        self._stopping.set()
        for child in sorted(reversed(self.children), key=self._place, reverse=True):
            child.stop()

    def _place(self, child: Child) -> int:
        name = child.spec.name
        return self._order.index(name) if name in self._order else len(self._order)


def die_with_parent(by: signal.Signals = signal.SIGTERM) -> None:
    """For ``preexec_fn``: that signal for the child when the thread that started it ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, by)


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
