"""Which program runs: the installed one, or a newer wheel that proved itself, or one on trial.

A wheel is run as it came, without unpacking: one file that is checked by its hash at each start,
so a power cut leaves nothing half installed. One small file says which; it is replaced in one step.
A program on trial has the installed one as its keeper until the next start: it is started at most
three times and must report to the server in time, else the one before it comes back. One that
proved itself and later dies at once, time after time, makes room for the installed one too. Imports
nothing but Python's own library, so that the keeper stays small.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edge import __version__
from edge.files import sha256_of, write_whole

log = logging.getLogger(__name__)
RELEASE_ENV = "XIANGYIN_EDGE_RELEASE"
"""Set in a program that was started from a wheel: its version."""
EXIT_RESTART = 75
MAX_TRIES = 3
MAX_SHORT_LIVES = 6
SETTLED_S = 60.0
"""A program that runs for so long, or ends in order, has not died at once."""
TRIAL_S = 600.0
_LOOK_S = 0.2
_STOP_S = 10.0


@dataclass(frozen=True)
class Wheel:
    """A program as one file."""

    version: str
    sha256: str


@dataclass(frozen=True)
class Trial:
    """A program that has not proved itself. ``tries``: how often it was started."""

    wheel: Wheel
    command_id: str
    trial_s: float = TRIAL_S
    tries: int = 0


@dataclass(frozen=True)
class Failure:
    """A program that was given up."""

    version: str
    command_id: str
    reason: str


@dataclass(frozen=True)
class State:
    """``base``: version of the installed program when ``active`` was chosen; ``short_lives``: how
    often in a row that one was started and is not known to have settled."""

    base: str = __version__
    active: Wheel | None = None
    short_lives: int = 0
    trial: Trial | None = None
    failed: Failure | None = None


class Releases:
    """The folder of wheels and the file that says which of them counts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "state.json"

    def path(self, version: str) -> Path:
        """Where the wheel of a version lies."""
        return self._folder / f"xiangyin_edge-{version}-py3-none-any.whl"

    def read(self) -> State:
        """What counts; nothing but the installed program when the file is missing or damaged."""
        try:
            data = json.loads(self._file.read_bytes())
            trial = data["trial"]
            return State(
                base=str(data["base"]),
                active=Wheel(**data["active"]) if data["active"] else None,
                short_lives=int(data.get("short_lives", 0)),
                trial=Trial(**{**trial, "wheel": Wheel(**trial["wheel"])}) if trial else None,
                failed=Failure(**data["failed"]) if data["failed"] else None,
            )
        except FileNotFoundError:
            return State()
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.error("%s cannot be read (%s): the installed program runs", self._file, error)
            return State()

    def write(self, state: State) -> None:
        """On disk when this returns."""
        self._folder.mkdir(parents=True, exist_ok=True)
        write_whole(self._file, json.dumps(asdict(state), indent=1).encode())

    def is_whole(self, wheel: Wheel) -> bool:
        """Whether the file still is what was signed."""
        return sha256_of(self.path(wheel.version)) == wheel.sha256

    def tries(self, wheel: Wheel) -> bool:
        """Whether this wheel is on trial: not once it has proved itself, nor when the next one
        is here."""
        trial = self.read().trial
        return trial is not None and trial.wheel == wheel

    def confirm(self) -> Trial | None:
        """The program on trial has proved itself; the trial that ended so, if there was one."""
        state = self.read()
        if state.trial is None or state.trial.wheel.version != os.environ.get(RELEASE_ENV):
            return None
        proved = replace(state, active=state.trial.wheel, short_lives=0, trial=None, failed=None)
        self.write(proved)
        self._tidy(state.trial.wheel)
        return state.trial

    def settle(self) -> None:
        """The running program did not die at once."""
        state = self.read()
        running = os.environ.get(RELEASE_ENV)
        if state.short_lives and state.active is not None and state.active.version == running:
            self._note(replace(state, short_lives=0))

    def may_start(self, state: State, active: Wheel) -> bool:
        """Whether to start the program that counts: not if it died at once too often."""
        if state.short_lives < MAX_SHORT_LIVES:
            self._note(replace(state, short_lives=state.short_lives + 1))
            return True
        reason = f"it died at once, {state.short_lives} times in a row"
        log.error("version %s was given up: %s; the installed program runs", active.version, reason)
        self._note(State(failed=Failure(active.version, "", reason)))
        return False

    def _note(self, state: State) -> None:
        """A card that refuses must not keep a program from running."""
        try:
            self.write(state)
        except OSError as error:
            log.error("%s cannot be written: %s", self._file, error)

    def give_up(self, reason: str) -> State:
        """The program on trial is not tried again."""
        state = self.read()
        if state.trial is None:
            return state
        failed = Failure(state.trial.wheel.version, state.trial.command_id, reason)
        state = replace(state, trial=None, failed=failed)
        self.write(state)
        log.error("version %s was given up: %s", failed.version, reason)
        return state

    def _tidy(self, keep: Wheel) -> None:
        for file in self._folder.glob("*.whl*"):
            if file != self.path(keep.version):
                file.unlink(missing_ok=True)


def launch(releases: Releases, arguments: Sequence[str]) -> int | None:
    """Run what counts and return its exit code; None when that is this very program.

    ``arguments``: those of ``python -m edge``.
    """
    if os.environ.get(RELEASE_ENV):
        return None
    state = _without_overtaken(releases, releases.read())
    if state.trial is not None:
        code = _try(releases, state.trial, arguments)
        if code is not None:
            return code
        state = releases.read()
    if state.active is None:
        return None
    if not releases.is_whole(state.active):
        log.error("the wheel of %s is damaged: the installed program runs", state.active.version)
        releases.write(replace(state, active=None))
        return None
    if not releases.may_start(state, state.active):
        return None
    command, environment = _start_of(releases, state.active, arguments)
    return os.execve(command[0], command, environment)


def _without_overtaken(releases: Releases, state: State) -> State:
    """Who installs a program by hand wants that one to run."""
    if state.base == __version__ or (state.active is None and state.trial is None):
        return state
    state = State(failed=state.failed)
    releases.write(state)
    return state


def _try(releases: Releases, trial: Trial, arguments: Sequence[str]) -> int | None:
    """Run a program on trial; None when it was given up."""
    keeper = _Keeper()
    while True:
        if not releases.is_whole(trial.wheel):
            releases.give_up("its file is damaged")
            return None
        if trial.tries >= MAX_TRIES:
            releases.give_up(f"it did not stay up, {trial.tries} times")
            return None
        trial = replace(trial, tries=trial.tries + 1)
        releases.write(replace(releases.read(), trial=trial))
        end = keeper.run(releases, trial, arguments)
        if end != "died" or keeper.stopping or not releases.tries(trial.wheel):
            if end == "silent":
                releases.give_up(f"it did not report that it can play within {trial.trial_s:.0f} s")
                return None
            return keeper.code


class _Keeper:
    """Stands above a program on trial and passes signals on."""

    def __init__(self) -> None:
        self.stopping = False
        self.code = 0
        self._child: subprocess.Popen[bytes] | None = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._pass_on)

    def run(self, releases: Releases, trial: Trial, arguments: Sequence[str]) -> str:
        """``died`` (see ``code``) or ``silent``: it neither reported nor died in time."""
        command, environment = _start_of(releases, trial.wheel, arguments)
        log.warning("version %s is tried, time %d", trial.wheel.version, trial.tries)
        deadline_s = time.monotonic() + trial.trial_s
        with subprocess.Popen(command, env=environment) as child:
            self._child = child
            if self.stopping:
                child.terminate()
            proved = False
            while child.poll() is None:
                proved = proved or not releases.tries(trial.wheel)
                if proved:
                    child.wait()
                elif time.monotonic() > deadline_s and not self.stopping:
                    self._end(child)
                    return "silent"
                else:
                    time.sleep(_LOOK_S)
            self.code = child.returncode
        return "died"

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        child.terminate()
        try:
            child.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def _pass_on(self, _number: int, _frame: Any) -> None:
        self.stopping = True
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()


def _start_of(
    releases: Releases, wheel: Wheel, arguments: Sequence[str]
) -> tuple[list[str], dict[str, str]]:
    """``-P``: the folder one stands in must not hide the wheel."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(releases.path(wheel.version).resolve()),
        RELEASE_ENV: wheel.version,
    }
    return [sys.executable, "-P", "-m", "edge", *arguments], environment
