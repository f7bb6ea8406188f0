"""The time that machine and server agreed on, kept over restarts of the program.

The monotonic clock counts from the start of the machine: what was agreed holds until that ends.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from edge.guided import Mark
from edge.store import Store

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_FACT = "clock_vouched"
_MOVED_S = 0.5
_OLD_S = 86_400.0


def restore(store: Store) -> Mark | None:
    """What was kept since the machine was started; None if nothing was."""
    try:
        kept = json.loads(store.fact(_FACT) or "{}")
        if kept.get("boot_id") != _boot_id():
            return None
        return Mark(float(kept["ahead_s"]), float(kept["at_s"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def keep(store: Store, mark: Mark | None) -> None:
    """Write it down when it is news: a memory card wears out."""
    boot_id = _boot_id()
    if mark is None or boot_id is None:
        return
    try:
        before = restore(store)
        if (
            before is None
            or abs(mark.ahead_s - before.ahead_s) > _MOVED_S
            or mark.at_s - before.at_s > _OLD_S
        ):
            kept = {"boot_id": boot_id, "ahead_s": mark.ahead_s, "at_s": mark.at_s}
            store.remember(_FACT, json.dumps(kept))
    except (sqlite3.Error, OSError):  # a full card: the report that tells of it must still leave
        return


def _boot_id() -> str | None:
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return None
