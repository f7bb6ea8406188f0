"""What benchmarks ask of the machine: a free port, who used the processors."""

from __future__ import annotations

import os
import socket
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def free_port(kind: socket.SocketKind) -> int:
    """A port nobody uses this moment."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def busy_s() -> float:
    """Processor time the whole machine has spent."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _idle, _wait, irq, softirq = map(int, fields[:7])
    return (user + nice + system + irq + softirq) / _TICKS_PER_S


def cpu_s(root: int) -> float:
    """Processor time of a process and all below it, those that ended included."""
    return sum(_ticks(pid) for pid in _tree(root)) / _TICKS_PER_S


def _tree(root: int) -> list[int]:
    """``root`` and everything below it."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue
        parents.setdefault(parent, []).append(int(stat.parent.name))
    found = [root]
    for pid in found:
        found += parents.get(pid, [])
    return found


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0
    return sum(int(field) for field in fields[11:15])  # its own, and its children's that ended
