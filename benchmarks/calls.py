"""Calls by SIPp at the same time: is every frame of every recording exact, and what does it cost?

10, 50 and 100 callers speak 8 s each and press #. The peer is a bare recorder that receives the
same packets (see calls_bare). ``--quick``: 10 callers, judged by exactness alone.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import harness, sipp, sounds
from benchmarks.harness import Figure, Result

SUBJECT = ("benchmarks.calls_subject",)
SIGNALLING = ("hotline", "signalling")
PEER = ("benchmarks.calls_bare",)

QUICK_CALLS = (10,)
FULL_CALLS = (10, 50, 100)
VOICE_S = 8.0
FIRST_S = 0.4
RAMP_S = 5.0
FOREIGN_SHARE_LIMIT = 0.15
"""More of the machine than this in other hands makes a full run's times meaningless."""
PEER_EXACT = 0.95
"""A peer that does not do the same work is no measure of its cost."""

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def run(quick: bool, *, subject: Sequence[str] = SUBJECT) -> Result:
    """Measure; ``subject`` is the telephony module, so that a test can put in a broken one."""
    if shutil.which("sipp") is None:
        return harness.result("calls", {}, _targets(quick), invalid="sipp is not installed")
    figures: dict[str, Figure] = {}
    foreign, invalid = 0.0, None
    for count in QUICK_CALLS if quick else FULL_CALLS:
        ours = _round(count, [tuple(subject), SIGNALLING])
        figures |= {
            f"exact_frames_ratio_{count}": ours.exact_ratio,
            f"failed_calls_{count}": count - ours.successful,
            f"cpu_s_per_call_{count}": round(ours.cpu_s / count, 4),
            f"clock_late_p99_ms_{count}": ours.late_p99_ms,
            f"clock_late_max_ms_{count}": ours.late_max_ms,
        }
        foreign = max(foreign, ours.foreign_share)
        if not quick:
            bare = _round(count, [PEER])
            foreign = max(foreign, bare.foreign_share)
            figures |= {
                f"bare_cpu_s_per_call_{count}": round(bare.cpu_s / count, 4),
                f"bare_exact_frames_ratio_{count}": bare.exact_ratio,
                f"cpu_ratio_to_bare_{count}": round(ours.cpu_s / bare.cpu_s, 2),
            }
            if bare.exact_ratio < PEER_EXACT:
                invalid = f"the peer recorded only {bare.exact_ratio:.0%} of {count} calls"
    figures["foreign_cpu_share"] = round(foreign, 3)
    if not quick and foreign > FOREIGN_SHARE_LIMIT:
        invalid = f"other programs used {foreign:.0%} of the machine; try again when it is quiet"
    return harness.result("calls", figures, _targets(quick), invalid=invalid)


def _targets(quick: bool) -> dict[str, str]:
    targets: dict[str, str] = {}
    for count in QUICK_CALLS if quick else FULL_CALLS:
        targets[f"exact_frames_ratio_{count}"] = "== 1"
        targets[f"failed_calls_{count}"] = "== 0"
        if not quick:
            targets[f"cpu_ratio_to_bare_{count}"] = "<= 3.0"
            targets[f"clock_late_p99_ms_{count}"] = "<= 40"  # the least a phone's buffer holds
    return targets


@dataclass(frozen=True)
class _Round:
    exact_ratio: float
    successful: int
    cpu_s: float
    late_p99_ms: Figure
    late_max_ms: Figure
    foreign_share: float


def _round(count: int, modules: Sequence[Sequence[str]]) -> _Round:
    with tempfile.TemporaryDirectory(prefix="calls-") as name:
        folder = Path(name)
        port = _free_port()
        processes = [_start(folder, port, module) for module in modules]
        try:
            time.sleep(1.0)
            before = _busy_ticks()
            cpu_before, began = _cpu_s(processes), time.monotonic()
            outcome, sipp_cpu_s = _make_calls(folder, port, count)
            own_s = _cpu_s(processes) - cpu_before
            busy_s = (_busy_ticks() - before) / _TICKS_PER_S
            machine_s = (time.monotonic() - began) * len(os.sched_getaffinity(0))
        finally:
            for process in reversed(processes):
                process.terminate()
                process.wait(10)
        stopped = _last_report(folder)
        return _Round(
            exact_ratio=_exact_ratio(folder / "takes", count),
            successful=outcome.successful,
            cpu_s=own_s,
            late_p99_ms=stopped.get("clock_late_p99_ms"),
            late_max_ms=stopped.get("clock_late_max_ms"),
            foreign_share=max(0.0, busy_s - own_s - sipp_cpu_s) / machine_s,
        )


def _start(folder: Path, port: int, module: Sequence[str]) -> subprocess.Popen[str]:
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("XIANGYIN_")},
        "XIANGYIN_DATA_DIR": str(folder),
        "XIANGYIN_SIP_PORT": str(port),
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
        raise RuntimeError(f"{module} did not start: {(folder / 'processes.log').read_text()}")
    return process


def _make_calls(folder: Path, port: int, count: int) -> tuple[sipp.Outcome, float]:
    spoken = sipp.Sound(FIRST_S, sounds.voice(VOICE_S).tobytes())
    hash_key = sipp.KeyPress(FIRST_S + VOICE_S + 0.4, "#")
    capture = sipp.write_capture(
        folder / "caller.pcap", "PCMA", [spoken, hash_key], hash_key.at_s + 0.4
    )
    body = sipp.invite() + sipp.play(capture) + sipp.wait_for_bye(30)
    before = os.times()
    outcome = sipp.make_calls(
        folder, body, ("127.0.0.1", port), calls=count, rate=count / RAMP_S, timeout_s=60
    )
    after = os.times()
    spent = after.children_user + after.children_system
    return outcome, spent - before.children_user - before.children_system


def _exact_ratio(takes: Path, count: int) -> float:
    spoken = sounds.through("PCMA", sounds.voice(VOICE_S))
    frames = len(spoken) // 160
    exact = sum(sounds.exact_frames(take.read_bytes(), spoken) for take in takes.glob("*.pcm"))
    return exact / (frames * count)


def _last_report(folder: Path) -> dict[str, Figure]:
    lines = (folder / "processes.log").read_text(encoding="utf-8").splitlines()
    reports = [json.loads(line) for line in lines if '"telephony stopped"' in line]
    return reports[-1] if reports else {}


def _cpu_s(processes: Sequence[subprocess.Popen[str]]) -> float:
    return sum(_process_ticks(process.pid) for process in processes) / _TICKS_PER_S


def _process_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def _busy_ticks() -> int:
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _idle, _wait, irq, softirq = map(int, fields[:7])
    return user + nice + system + irq + softirq


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
