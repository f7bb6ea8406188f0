"""Foreign or risky work in short-lived processes with limits of time, memory and output."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import N_, ToolFailed


@dataclass(frozen=True)
class Limits:
    """What one helper process may use."""

    wall_s: float = 60.0
    cpu_s: int = 60
    memory_mb: int = 1024
    file_mb: int = 2048


def run(
    command: Sequence[str | Path],
    *,
    limits: Limits,
    input_bytes: bytes | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run ``command`` in its own session and kill the whole group when a limit is reached.

    Raises ToolFailed on a time-out; a non-zero exit is returned, not raised.
    """
    process = subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.PIPE if input_bytes is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **(env or {})},
        start_new_session=True,
    )
    try:
        _limit(process.pid, limits)
        out, err = process.communicate(input_bytes, timeout=limits.wall_s)
    except subprocess.TimeoutExpired:
        raise ToolFailed(
            N_("Working on the sound took longer than %(seconds)d s and was stopped."),
            params={"seconds": int(limits.wall_s)},
        ) from None
    finally:
        _kill_group(process)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def _limit(pid: int, limits: Limits) -> None:
    """Set the limits from outside, right after the start.

    A ``preexec_fn`` would make Python fork, and a fork of a process with threads shuts down
    OpenBLAS's threads: whoever calculates at that moment spins for ever.
    """
    memory, size = limits.memory_mb * 1024 * 1024, limits.file_mb * 1024 * 1024
    for what, most in (
        (resource.RLIMIT_AS, (memory, memory)),
        (resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 1)),
        (resource.RLIMIT_FSIZE, (size, size)),
        (resource.RLIMIT_CORE, (0, 0)),
    ):
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            resource.prlimit(pid, what, most)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
    finally:
        process.wait()
