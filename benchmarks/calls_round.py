"""One round of the call benchmark: start who answers, let SIPp call, see what it cost and left."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine, sipp, sounds
from benchmarks.calls_road import VOICE_S, Road
from benchmarks.harness import Figure
from benchmarks.town import LANGUAGE

CALL_CAP = 400
MEDIA_PORTS = (20000, 20798)
RAMP_S = 5.0
"""All calls begin within this time, less than any of them lasts: in the end they are one crowd."""
PATIENCE_S = 30.0


@dataclass(frozen=True)
class Round:
    """What came of a round. ``cpu_s``: of those who answered; ``callers_cpu_s``: of SIPp.

    ``at_once``: the most calls that SIPp had at the same time.
    """

    exact_ratio: float
    successful: int
    at_once: int
    cpu_s: float
    callers_cpu_s: float
    late_p99_ms: Figure
    late_max_ms: Figure
    foreign_share: float


@dataclass(frozen=True)
class _Called:
    successful: int
    at_once: int
    cpu_s: float


def measure(
    folder: Path,
    count: int,
    modules: Sequence[Sequence[str]],
    road: Road,
    *,
    malformed_invites: int = 0,
) -> Round:
    """Let ``count`` callers walk ``road`` at the same time, and ``modules`` answer in ``folder``.

    With ``malformed_invites`` an attacker sends them, and foreign sound, while the calls last.
    """
    port = machine.free_port(socket.SOCK_DGRAM)
    processes: list[subprocess.Popen[str]] = []
    try:
        for module in modules:
            processes.append(_start(folder, port, module))
        time.sleep(1.0)
        before_s, own_before_s = machine.busy_s(), _own_s()
        cpu_before_s, began = _cpu_s(processes), time.monotonic()
        called = _all_calls(folder, port, count, road, malformed_invites)
        cpu_s = _cpu_s(processes) - cpu_before_s
        ours_s = cpu_s + called.cpu_s + _own_s() - own_before_s
        busy_s = machine.busy_s() - before_s
        machine_s = (time.monotonic() - began) * len(os.sched_getaffinity(0))
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(10)
    stopped = _last_report(folder)
    return Round(
        exact_ratio=_exact_ratio(folder, count),
        successful=called.successful,
        at_once=called.at_once,
        cpu_s=cpu_s,
        callers_cpu_s=called.cpu_s,
        late_p99_ms=stopped.get("clock_late_p99_ms"),
        late_max_ms=stopped.get("clock_late_max_ms"),
        foreign_share=max(0.0, busy_s - ours_s) / machine_s,
    )


def _own_s() -> float:
    spent = os.times()
    return spent.user + spent.system


def _cpu_s(processes: Sequence[subprocess.Popen[str]]) -> float:
    return sum(machine.cpu_s(process.pid) for process in processes)


def _start(folder: Path, port: int, module: Sequence[str]) -> subprocess.Popen[str]:
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("XIANGYIN_")},
        "XIANGYIN_DATA_DIR": str(folder),
        "XIANGYIN_SIP_PORT": str(port),
        "XIANGYIN_CALL_CAP": str(CALL_CAP),
        "XIANGYIN_SIP_CALLS_PER_MINUTE": "60000",
        "XIANGYIN_RTP_PORT_FIRST": str(MEDIA_PORTS[0]),
        "XIANGYIN_RTP_PORT_LAST": str(MEDIA_PORTS[1]),
        "XIANGYIN_HOTLINE_LANGUAGES": LANGUAGE,
    }
    with (folder / "processes.log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    if process.stdout is None or process.stdout.readline() != "READY\n":
        process.kill()
        process.wait()
        raise RuntimeError(f"{module} did not start: {(folder / 'processes.log').read_text()}")
    return process


def _all_calls(folder: Path, port: int, count: int, road: Road, invites: int) -> _Called:
    capture = sipp.write_capture(folder / "caller.pcap", "PCMA", road.parts, road.total_s)
    limit_s = road.total_s + PATIENCE_S
    body = sipp.invite() + sipp.play(capture) + sipp.wait_for_bye(limit_s)
    before = os.times()
    attacker = _attack(port, invites, RAMP_S + road.total_s) if invites else None
    outcome = sipp.make_calls(
        folder,
        body,
        ("127.0.0.1", port),
        calls=count,
        rate=count / RAMP_S,
        timeout_s=RAMP_S + limit_s + PATIENCE_S,
    )
    if attacker is not None and attacker.wait(60) != 0:
        raise RuntimeError("the attacker failed")
    after = os.times()
    spent_s = after.children_user + after.children_system
    cpu_s = spent_s - before.children_user - before.children_system
    return _Called(outcome.successful, outcome.at_once, cpu_s)


def _attack(port: int, invites: int, seconds: float) -> subprocess.Popen[bytes]:
    arguments = [port, *MEDIA_PORTS, invites, seconds]
    return subprocess.Popen([sys.executable, "-m", "benchmarks.calls_fuzz", *map(str, arguments)])


def _exact_ratio(folder: Path, count: int) -> float:
    spoken = sounds.through("PCMA", sounds.voice(VOICE_S))
    frames = len(spoken) // 160
    exact = sum(sounds.exact_frames(take.read_bytes(), spoken) for take in folder.rglob("*.pcm"))
    return exact / (frames * count)


def _last_report(folder: Path) -> dict[str, Figure]:
    lines = (folder / "processes.log").read_text(encoding="utf-8").splitlines()
    reports = [json.loads(line) for line in lines if '"telephony stopped"' in line]
    return reports[-1] if reports else {}
