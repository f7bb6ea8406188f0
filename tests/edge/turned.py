"""A process whose wall clock tests set, by libfaketime; its monotonic clock stays honest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest


class TurnedClock:
    """``env`` for the process; ``set_to`` moves its wall clock from one instant to another."""

    def __init__(self, file: Path) -> None:
        libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        if not libraries:
            pytest.fail("faketime is installed without its library")
        self._file = file
        self._offset = timedelta(0)
        self._write()
        self.env = {
            "LD_PRELOAD": str(libraries[0]),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
            # Its default bends pthread_cond_timedwait, by which Python's threads take turns: they
            # then stand still for seconds.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            "NO_FAKE_STAT": "1",
        }

    def now(self) -> datetime:
        """What the process takes for the time."""
        return datetime.now(UTC) + self._offset

    def set_to(self, instant: datetime) -> None:
        """The clock is set."""
        self._offset += instant - self.now()
        self._write()

    def _write(self) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{self._offset.total_seconds():+.6f}s")
        fresh.replace(self._file)
