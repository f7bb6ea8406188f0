"""A clock that many processes share and that can go faster than ours, by libfaketime.

Only the wall clock is turned: it is set forward in small steps, as often as wished. The monotonic
clock stays honest, and with it the pace of sound.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path


class FastClock:
    """Also a ``core.clock.Clock``. ``env``: for processes that shall live by it."""

    def __init__(self, file: Path, start: datetime) -> None:
        """Raises FileNotFoundError without libfaketime."""
        libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        if not libraries:
            raise FileNotFoundError("libfaketime is not installed (apt-get install faketime)")
        self._file = file
        self._offset = start - datetime.now(UTC)
        self._write()
        self.env = {
            "LD_PRELOAD": str(libraries[0]),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
            # Its default bends pthread_cond_timedwait, by which Python's threads take turns.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            "NO_FAKE_STAT": "1",
        }

    def now(self) -> datetime:
        """What all processes take for the time."""
        return datetime.now(UTC) + self._offset

    def forward(self, delta: timedelta) -> None:
        """Set the clock forward (or back)."""
        if delta:
            self._offset += delta
            self._write()

    def _write(self) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{self._offset.total_seconds():+.6f}s")
        fresh.replace(self._file)
