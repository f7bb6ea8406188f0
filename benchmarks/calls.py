"""Calls by SIPp at the same time: is every frame of every recording exact, and what does it cost?

10, 50, 100 and twice 100 callers speak 8 s each and press #. The peer is a bare recorder that
receives the same packets (see calls_bare). Then 100 call while an attacker sends malformed INVITEs
and foreign RTP (see calls_fuzz). ``--quick``: 10 callers, then 10 under attack, judged by
exactness alone.
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

from benchmarks import harness, machine, sipp, sounds
from benchmarks.harness import Figure, Result

SUBJECT = ("benchmarks.calls_subject",)
SIGNALLING = ("hotline", "signalling")
PEER = ("benchmarks.calls_bare",)

QUICK_CALLS = (10,)
FULL_CALLS = (10, 50, 100, 200)
BATCH = 100
"""Calls at the same time; more come one batch after the other."""
QUICK_ATTACK = (10, 95)
FULL_ATTACK = (100, 950)
"""Calls, and malformed INVITEs beside them."""
MEDIA_PORTS = (20000, 20798)
VOICE_S = 8.0
FIRST_S = 0.4
RAMP_S = 5.0
FOREIGN_SHARE_LIMIT = 0.15
"""More of the machine than this in other hands makes a full run's times meaningless."""
PEER_EXACT = 0.95
"""A peer that does not do the same work is no measure of its cost."""


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
    calls, invites = QUICK_ATTACK if quick else FULL_ATTACK
    attacked = _round(calls, [tuple(subject), SIGNALLING], malformed_invites=invites)
    figures |= {
        "exact_frames_ratio_attacked": attacked.exact_ratio,
        "failed_calls_attacked": calls - attacked.successful,
        "malformed_invites": invites,
        "cpu_s_per_call_attacked": round(attacked.cpu_s / calls, 4),
        "clock_late_p99_ms_attacked": attacked.late_p99_ms,
    }
    foreign = max(foreign, attacked.foreign_share)
    figures["foreign_cpu_share"] = round(foreign, 3)
    if not quick and foreign > FOREIGN_SHARE_LIMIT:
        invalid = f"other programs used {foreign:.0%} of the machine; try again when it is quiet"
    return harness.result("calls", figures, _targets(quick), invalid=invalid)


def _targets(quick: bool) -> dict[str, str]:
    targets = {"exact_frames_ratio_attacked": "== 1", "failed_calls_attacked": "== 0"}
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


def _round(count: int, modules: Sequence[Sequence[str]], *, malformed_invites: int = 0) -> _Round:
    with tempfile.TemporaryDirectory(prefix="calls-") as name:
        folder = Path(name)
        port = machine.free_port(socket.SOCK_DGRAM)
        processes = [_start(folder, port, module) for module in modules]
        try:
            time.sleep(1.0)
            before_s = machine.busy_s()
            cpu_before, began = _cpu_s(processes), time.monotonic()
            successful, callers_cpu_s = _all_calls(folder, port, count, malformed_invites)
            own_s = _cpu_s(processes) - cpu_before
            busy_s = machine.busy_s() - before_s
            machine_s = (time.monotonic() - began) * len(os.sched_getaffinity(0))
        finally:
            for process in reversed(processes):
                process.terminate()
                process.wait(10)
        stopped = _last_report(folder)
        return _Round(
            exact_ratio=_exact_ratio(folder / "takes", count),
            successful=successful,
            cpu_s=own_s,
            late_p99_ms=stopped.get("clock_late_p99_ms"),
            late_max_ms=stopped.get("clock_late_max_ms"),
            foreign_share=max(0.0, busy_s - own_s - callers_cpu_s) / machine_s,
        )


def _cpu_s(processes: Sequence[subprocess.Popen[str]]) -> float:
    return sum(machine.cpu_s(process.pid) for process in processes)


def _start(folder: Path, port: int, module: Sequence[str]) -> subprocess.Popen[str]:
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("XIANGYIN_")},
        "XIANGYIN_DATA_DIR": str(folder),
        "XIANGYIN_SIP_PORT": str(port),
        "XIANGYIN_CALL_CAP": "400",
        "XIANGYIN_SIP_CALLS_PER_MINUTE": "60000",
        "XIANGYIN_RTP_PORT_FIRST": str(MEDIA_PORTS[0]),
        "XIANGYIN_RTP_PORT_LAST": str(MEDIA_PORTS[1]),
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


def _all_calls(folder: Path, port: int, count: int, invites: int) -> tuple[int, float]:
    """Successful calls, and the CPU seconds of those who made and attacked them."""
    spoken = sipp.Sound(FIRST_S, sounds.voice(VOICE_S).tobytes())
    hash_key = sipp.KeyPress(FIRST_S + VOICE_S + 0.4, "#")
    total_s = hash_key.at_s + 0.4
    capture = sipp.write_capture(folder / "caller.pcap", "PCMA", [spoken, hash_key], total_s)
    body = sipp.invite() + sipp.play(capture) + sipp.wait_for_bye(30)
    before = os.times()
    attacker = _attack(port, invites, RAMP_S + total_s) if invites else None
    successful = 0
    for first in range(0, count, BATCH):
        calls = min(BATCH, count - first)
        outcome = sipp.make_calls(
            folder, body, ("127.0.0.1", port), calls=calls, rate=calls / RAMP_S, timeout_s=60
        )
        successful += outcome.successful
    if attacker is not None and attacker.wait(60) != 0:
        raise RuntimeError("the attacker failed")
    after = os.times()
    spent = after.children_user + after.children_system
    return successful, spent - before.children_user - before.children_system


def _attack(port: int, invites: int, seconds: float) -> subprocess.Popen[bytes]:
    arguments = [port, *MEDIA_PORTS, invites, seconds]
    return subprocess.Popen([sys.executable, "-m", "benchmarks.calls_fuzz", *map(str, arguments)])


def _exact_ratio(takes: Path, count: int) -> float:
    spoken = sounds.through("PCMA", sounds.voice(VOICE_S))
    frames = len(spoken) // 160
    exact = sum(sounds.exact_frames(take.read_bytes(), spoken) for take in takes.glob("*.pcm"))
    return exact / (frames * count)


def _last_report(folder: Path) -> dict[str, Figure]:
    lines = (folder / "processes.log").read_text(encoding="utf-8").splitlines()
    reports = [json.loads(line) for line in lines if '"telephony stopped"' in line]
    return reports[-1] if reports else {}
