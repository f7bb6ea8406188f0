"""A loaded parent forks who serves: a death costs a fork, a stop reaches the child."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from core import spare

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = """
import os, signal, sys, time
from core import logs, spare
logs.configure("program", "CRITICAL")
def work():
    print(os.getpid(), flush=True)
    {body}
    return 0
spare.CALM_S = float(sys.argv[1]) if sys.argv[1:] else spare.CALM_S
sys.exit(spare.serve(work))
"""
SERVES = "time.sleep(60)"
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a program whose child does ``body``."""
    begun: list[subprocess.Popen[str]] = []

    def launch(body: str, *arguments: str) -> subprocess.Popen[str]:
        program = [sys.executable, "-c", PROGRAM.format(body=body), *arguments]
        process = subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        begun.append(process)
        return process

    yield launch
    for process in begun:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def child_of(process: subprocess.Popen[str]) -> int:
    """The number that the next child tells."""
    assert process.stdout is not None
    return int(process.stdout.readline())


def test_another_child_follows_one_that_was_killed(start: Start) -> None:
    parent = start(SERVES)
    first = child_of(parent)
    time.sleep(2.1)  # it has served for a while
    os.kill(first, signal.SIGKILL)
    second = child_of(parent)
    assert second not in (first, parent.pid)
    assert [child.pid for child in psutil.Process(parent.pid).children()] == [second]
    assert parent.poll() is None


def test_a_stop_reaches_the_child_and_its_end_is_the_end(start: Start) -> None:
    ready = "print('ready', flush=True)"
    parent = start(f"signal.signal(signal.SIGTERM, lambda *_: os._exit(0)); {ready}; {SERVES}")
    child = child_of(parent)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "ready\n"
    parent.terminate()
    assert parent.wait(10) == 0
    assert not psutil.pid_exists(child)


@pytest.mark.parametrize(("body", "code"), [("return 78", 78), ("pass", 0)])
def test_wrong_settings_and_a_regular_end_are_no_death(start: Start, body: str, code: int) -> None:
    parent = start(body)
    child_of(parent)
    assert parent.wait(10) == code


@pytest.mark.parametrize("body", ["os.kill(os.getpid(), signal.SIGKILL)", "1 / 0"])
def test_who_dies_at_once_is_left_to_the_supervisor(start: Start, body: str) -> None:
    parent = start(body, "60")
    child_of(parent)
    assert parent.wait(10) not in (0, 78)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "", "no second child was tried"


def test_who_dies_again_and_again_is_left_to_the_supervisor_too(start: Start) -> None:
    parent = start("time.sleep(0.2); os._exit(3)", "0.1")
    children = [child_of(parent) for _ in range(spare.SHORT_LIVES)]
    assert parent.wait(10) == 3
    assert parent.stdout is not None
    assert parent.stdout.readline() == "", "no child more was tried"
    assert len(set(children)) == spare.SHORT_LIVES


def test_without_the_parent_nobody_serves_on(start: Start) -> None:
    parent = start(f"signal.signal(signal.SIGTERM, signal.SIG_IGN); {SERVES}")
    child = child_of(parent)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    while psutil.pid_exists(child) and psutil.Process(child).status() != "zombie":
        assert time.monotonic() < deadline, "it serves without a parent"
        time.sleep(0.02)
