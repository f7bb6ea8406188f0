"""What every process does that is forked from a loaded model: dies with it, keeps to limits."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

EXIT_BROKEN = 3
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def run(parent: int, work: Callable[[], int]) -> NoReturn:
    """In a child just forked by ``parent``: do ``work`` and end with the code it returns.

    Never comes back, so nothing of the parent's runs twice.
    """
    code = EXIT_BROKEN
    try:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(EXIT_BROKEN)  # it died before we could ask to die with it
        _leave_the_parents_pipes()
        code = work()
    except BaseException as error:
        sys.stderr.write(f"{error!r}\n")
        sys.stderr.flush()
    finally:
        os._exit(code)


def limit_memory(memory_mb: int) -> None:
    """Allow so much on top of what is mapped now; no core files."""
    mapped_pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = mapped_pages * resource.getpagesize() + memory_mb * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_cpu(cpu_s: int) -> None:
    """End with SIGXCPU after ``cpu_s`` seconds of processor time in all; may be raised later."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    if hard != resource.RLIM_INFINITY:
        cpu_s = min(cpu_s, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, hard))


def _leave_the_parents_pipes() -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)


def child_bell() -> int:
    """A pipe that becomes readable when a child ends."""
    bell, wakeup = os.pipe()
    for end in (bell, wakeup):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
    return bell
