"""How the box is: what the server shows to people."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edge import __version__, clock
from edge.cache import Cache
from edge.clock import Discipline, iso
from edge.machine import Machine
from edge.manifest import Manifest
from edge.plan import Entry
from edge.store import Store


class Problems:
    """Standing problems by code, each with a sentence. Safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[str, str] = {}

    def raise_(self, code: str, detail: str) -> None:
        """A problem exists (or still exists)."""
        with self._lock:
            self._found[code] = detail[:300]

    def settle(self, code: str) -> None:
        """A problem is over."""
        with self._lock:
            self._found.pop(code, None)

    def all(self) -> dict[str, str]:
        """What is wrong at present."""
        with self._lock:
            return dict(self._found)


@dataclass(frozen=True)
class SinkSigns:
    """What the sound goes to. ``name``: as the system calls it."""

    kind: str
    name: str
    ok: bool


def report(
    store: Store,
    cache: Cache,
    problems: Problems,
    machine: Machine,
    *,
    sink: SinkSigns,
    manifest: Manifest | None,
    quiet_switch: bool,
    now_s: float,
    discipline: Discipline | None,
    is_led: bool = False,
    server_offset_s: float | None = None,
) -> dict[str, Any]:
    """The body of a health report; docs/player-protocol.md says what each entry means.

    ``discipline``: how sure the time is; ``is_led``: whether it is the server's.
    ``clock_offset_s``: the server's time minus this machine's; null while that is unknown.
    """
    entries = store.open_entries()
    missing = [entry for entry in entries if not cache.has(entry.play.clip)]
    return {
        "version": __version__,
        "boot_id": machine.boot_id,
        "at": iso(clock.instant(now_s)),
        "uptime_s": machine.uptime_s(),
        "disk_free_bytes": machine.disk_free_bytes(),
        "temperature_c": machine.temperature_c(),
        "clock": clock_signs(discipline, is_led=is_led),
        "clock_offset_s": None if server_offset_s is None else round(server_offset_s, 1),
        "cache": {
            "clips": cache.count(),
            "missing": len(missing),
            "bytes": cache.used_bytes(),
            "plays_ready_until": ready_until(entries, {e.play.play_id for e in missing}, manifest),
        },
        "sink": asdict(sink),
        "last_play": last_play(store),
        "quiet_switch": quiet_switch,
        "manifest_version": manifest.version if manifest else None,
        "plays_waiting": len(entries),
        "receipts_unsent": store.count_unsent(),
        "sounded_unsent": len(store.sounded_waiting()),
        "problems": problems.all(),
    }


def clock_signs(discipline: Discipline | None, *, is_led: bool) -> dict[str, Any] | None:
    """How sure the time is; None where the system does not tell."""
    if discipline is None:
        return None
    return {**asdict(discipline), "source": "server" if is_led else "machine"}


def ready_until(
    entries: Sequence[Entry], missing: Collection[int], manifest: Manifest | None
) -> str | None:
    """Until when every play could sound with the link down: the first one whose clip is not here,
    or the end of the list. Null without a list.
    """
    for entry in entries:  # by their time
        if entry.play.play_id in missing:
            return iso(entry.play.starts_at)
    return iso(manifest.valid_until) if manifest else None


def last_play(store: Store) -> dict[str, Any] | None:
    """What the newest receipt says."""
    newest = store.newest_receipt()
    if newest is None:
        return None
    said = json.loads(newest.body)
    outcome = said["outcome"] if said["reason"] is None else said["reason"]
    return {
        "play_id": said["play_id"],
        "outcome": outcome,
        "at": said["started_at"] or said["scheduled_at"],
    }
