"""Serves from a forked child; when it dies, the next one is there at once.

Loading a program costs most of a restart. Here the parent has loaded it and does nothing but wait,
so that a death costs a fork. A child that dies soon after its start ends the parent as well, and so
does the last of some that did not live long: whoever supervises the parent knows how long to wait
before the next try, and waits longer each time.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import time
from collections.abc import Callable

import structlog

from core.supervisor import CALM_AFTER_S, EXIT_CONFIGURATION, die_with_parent

CALM_S = 2.0
"""A child that lived shorter than that would most likely die again."""
SHORT_LIVES = 4
"""So many children in a row that died within a minute are no accident."""
_STOPS = (signal.SIGTERM, signal.SIGINT)
log = structlog.get_logger(__name__)


def serve(work: Callable[[], int]) -> int:
    """Run ``work`` in a child until it returns or a signal stops it; the exit code to end with.

    To be called from the main thread, with no other threads. ``work`` gets the usual signals.
    """
    gc.collect()
    gc.freeze()  # what is loaded stays shared between parent and child
    holder = _Holder()
    before = {number: signal.signal(number, holder.stop) for number in _STOPS}
    try:
        short_lives = 0
        while True:
            begun_s = time.monotonic()
            code = holder.wait(_fork(work, holder))
            if holder.stopped or code in (0, EXIT_CONFIGURATION):
                return code
            lived_s = time.monotonic() - begun_s
            short_lives = short_lives + 1 if lived_s < CALM_AFTER_S else 0
            if lived_s < CALM_S or short_lives == SHORT_LIVES:
                return code if code > 0 else 128 - code
            log.warning("the serving process died; another serves", code=code)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Holder:
    """The child of the moment, and whether somebody wants all to stop."""

    def __init__(self) -> None:
        self.stopped = False
        self.child: int | None = None
        """A descriptor of the process: unlike its number it never names another one."""

    def stop(self, number: int, _frame: object) -> None:
        self.stopped = True
        if self.child is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.child, number)

    def wait(self, pid: int) -> int:
        _, status = os.waitpid(pid, 0)
        child, self.child = self.child, None
        if child is not None:
            os.close(child)
        return os.waitstatus_to_exitcode(status)


def _fork(work: Callable[[], int], holder: _Holder) -> int:
    """The number of a new child; a stop that arrives meanwhile reaches it."""
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    try:
        pid = os.fork()
        if pid == 0:
            _be_child(work, parent)
        holder.child = os.pidfd_open(pid)
        if holder.stopped:
            signal.pidfd_send_signal(holder.child, signal.SIGTERM)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
    return pid


def _be_child(work: Callable[[], int], parent: int) -> None:
    """Never returns. Dies with the parent, and like a crash: calls in progress go on."""
    code = 1
    try:
        for number in _STOPS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
        die_with_parent(signal.SIGKILL)
        if os.getppid() == parent:
            code = work()
    except BaseException:
        log.exception("the serving process broke")
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
