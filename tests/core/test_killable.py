"""Foreign programs run within limits and disturb nothing of ours."""

from __future__ import annotations

import sys
import threading
import time

import numpy as np

from core import killable
from core.killable import Limits

TOO_MUCH = """
import resource, time
while resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY: time.sleep(0.02)
b = bytearray(600 * 1024 * 1024)
"""


def test_calculations_go_on_while_programs_are_started() -> None:
    numbers, done, stop = np.ones(600_000), 0, threading.Event()

    def calculate() -> None:
        nonlocal done
        while not stop.is_set():
            np.dot(numbers, numbers)
            done += 1

    calculating = threading.Thread(target=calculate, daemon=True)
    calculating.start()
    for _ in range(100):
        killable.run(["true"], limits=Limits())
    before = done
    deadline = time.monotonic() + 20
    while done == before and time.monotonic() < deadline:
        time.sleep(0.01)
    stop.set()
    assert done > before


def test_a_program_gets_no_more_memory_than_it_may_have() -> None:
    greedy = [sys.executable, "-c", TOO_MUCH]
    assert killable.run(greedy, limits=Limits(memory_mb=2048)).returncode == 0
    refused = killable.run(greedy, limits=Limits(memory_mb=256))
    assert b"MemoryError" in refused.stderr


def test_a_program_that_is_over_at_once_is_no_error() -> None:
    for _ in range(50):
        assert killable.run(["true"], limits=Limits()).returncode == 0
