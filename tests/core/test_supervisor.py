"""The supervisor starts in order, restarts what dies, gives up on wrong settings, stops all."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.supervisor import ChildSpec, Supervisor


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str]) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path, said.append)
    yield made
    made.stop_all()


def python(name: str, code: str) -> ChildSpec:
    return ChildSpec(name, [sys.executable, "-c", code], ready_within_s=10)


SLEEPER = "import time; print('READY', flush=True); time.sleep(600)"


def look_until(supervisor: Supervisor, what: Callable[[], bool], within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        supervisor.look_once()
        time.sleep(0.02)


def test_a_start_waits_for_the_childs_ready_line(supervisor: Supervisor) -> None:
    assert supervisor.start(python("a", f"import time; time.sleep(.3); {SLEEPER}"))
    assert supervisor.children[0].running


def test_a_killed_child_is_started_again_and_that_is_said(
    supervisor: Supervisor, said: list[str]
) -> None:
    supervisor.start(python("worker", SLEEPER))
    first = supervisor.children[0].process
    assert first is not None
    os.kill(first.pid, signal.SIGKILL)
    look_until(supervisor, lambda: supervisor.children[0].restarts == 1)
    assert supervisor.children[0].running
    assert any("worker ended (signal 9)" in line for line in said)
    assert any("worker was started again" in line for line in said)


def test_wrong_settings_are_reported_in_the_childs_words_and_not_retried(
    supervisor: Supervisor, said: list[str]
) -> None:
    supervisor.start(
        python("web", "print('port 1 is taken: set XIANGYIN_WEB_PORT'); print('{}'); exit(78)")
    )
    for _ in range(5):
        supervisor.look_once()
        time.sleep(0.1)
    assert supervisor.children[0].restarts == 0
    assert said == ["web cannot start: port 1 is taken: set XIANGYIN_WEB_PORT"]


@pytest.mark.parametrize(("order", "stopped"), [("", "cba"), ("ca", "bac")])
def test_children_stop_in_reverse_order(
    said: list[str], tmp_path: Path, order: str, stopped: str
) -> None:
    supervisor = Supervisor(tmp_path, said.append, order)
    note = tmp_path / "order"
    code = (
        "import signal, sys, time\n"
        f"def bye(*_): open({str(note)!r}, 'a').write(sys.argv[1]); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, bye); print('READY', flush=True); time.sleep(600)"
    )
    for name in "abc":
        supervisor.start(ChildSpec(name, [sys.executable, "-c", code, name]))
    supervisor.stop_all()
    assert note.read_text() == stopped


def test_a_child_that_ignores_the_request_is_killed(supervisor: Supervisor) -> None:
    deaf = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"
    supervisor.start(python("deaf", deaf))
    supervisor.children[0].stop(patience_s=0.3)
    assert not supervisor.children[0].running


def test_what_a_child_prints_is_kept_in_its_log(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(python("talker", f"print('hello log'); {SLEEPER}"))
    assert "hello log" in (tmp_path / "talker.log").read_text()


def test_a_number_a_child_prints_is_starred_in_its_log(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.start(python("talker", f"print('Traceback: sip:13812345678@trunk'); {SLEEPER}"))
    assert "sip:138****5678@trunk" in (tmp_path / "talker.log").read_text()


def test_a_child_that_dies_while_others_start_is_not_forgotten(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    starts = tmp_path / "starts"
    short = f"open({str(starts)!r}, 'a').write('x'); print('READY', flush=True)"
    supervisor.start(python("web", f"{short}; import time; time.sleep(.2)"))
    patient = f"import time\nwhile len(open({str(starts)!r}).read()) < 2: time.sleep(.05)\n"
    supervisor.start(python("slow", patient + SLEEPER))
    assert supervisor.children[0].restarts >= 1


def test_watching_ends_when_what_it_waits_for_holds_or_when_told_to_stop(
    supervisor: Supervisor,
) -> None:
    assert supervisor.watch(lambda: True)
    supervisor.stop_watching()
    assert not supervisor.watch(lambda: True)
