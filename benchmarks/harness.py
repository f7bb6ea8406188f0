"""What all benchmarks share: the shape of a result, the judging of targets, facts of the machine.

A benchmark is a module of this package with ``run(quick: bool) -> Result``. Its first docstring
line is what ``python -m benchmarks --list`` shows.
"""

from __future__ import annotations

import math
import operator
import os
import platform
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypedDict

Figure = float | int | str | None

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
    "==": operator.eq,
}
_TARGET = re.compile(r"(<=|<|>=|>|==) *(-?\d+(?:\.\d+)?)")


class Result(TypedDict):
    """What a benchmark found.

    ``targets`` maps a figure's name to ``"<= 1.1"``. ``met``: every target holds and the run is
    valid. ``invalid`` says why the run proves nothing (a busy machine, a missing tool), else None.
    """

    name: str
    figures: dict[str, Figure]
    targets: dict[str, str]
    met: bool
    invalid: str | None
    machine: dict[str, Figure]


def result(
    name: str,
    figures: Mapping[str, Figure],
    targets: Mapping[str, str],
    *,
    invalid: str | None = None,
) -> Result:
    """Judge ``figures`` by ``targets``. A run without targets or with a missing figure fails."""
    met = invalid is None and bool(targets) and not missed(figures, targets)
    return Result(
        name=name,
        figures=dict(figures),
        targets=dict(targets),
        met=met,
        invalid=invalid,
        machine=machine(),
    )


def missed(figures: Mapping[str, Figure], targets: Mapping[str, str]) -> list[str]:
    """Names of the targets that do not hold. Raises ValueError when a target cannot be read."""
    return [name for name, target in targets.items() if not _holds(figures.get(name), target)]


def _holds(figure: Figure, target: str) -> bool:
    match = _TARGET.fullmatch(target)
    if match is None:
        raise ValueError(f"a target reads like '<= 1.1', not {target!r}")
    if not isinstance(figure, (int, float)) or math.isnan(figure):
        return False
    return _COMPARISONS[match[1]](figure, float(match[2]))


def machine() -> dict[str, Figure]:
    """Facts that a reader needs to compare figures of two machines."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1 << 20),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_1min": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.machine()
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1].strip() if match else platform.machine()
