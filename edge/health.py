"""How the box is: what the server shows to people."""

from __future__ import annotations

import threading
from dataclasses import asdict
from typing import Any

from edge import __version__, clock
from edge.cache import Cache
from edge.clock import iso
from edge.store import Store

_MB = 1_000_000


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


def report(
    store: Store, cache: Cache, problems: Problems, *, sink: str, version: int | None, now_s: float
) -> dict[str, Any]:
    """The body of a health report. Sizes in MB; ``clock`` is null where nobody can say."""
    entries = store.open_entries()
    discipline = clock.discipline()
    return {
        "version": __version__,
        "at": iso(clock.instant(now_s)),
        "manifest_version": version,
        "sink": sink,
        "clock": asdict(discipline) if discipline else None,
        "plays_waiting": len(entries),
        "clips_missing": sum(not cache.has(entry.play.clip) for entry in entries),
        "receipts_unsent": len(store.receipts(unsent_only=True)),
        "sounded_unsent": len(store.sounded_waiting()),
        "cache_mb": round(cache.used_bytes() / _MB, 1),
        "disk_free_mb": round(cache.free_bytes() / _MB, 1),
        "problems": problems.all(),
    }
