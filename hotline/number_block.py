"""The block of reference numbers that telephony may promise while the database is away.

One JSON file, filled by the web process and emptied by telephony, one process at a time (flock on
a file beside it). A number leaves the file, durably, before anybody hears it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import structlog

from core.files import locked, write_durably
from core.settings import Settings

BLOCK_SIZE = 200
LOW_WATER = 100
"""As many as calls may be going on: enough for each of them to end with a number."""
log = structlog.get_logger("hotline.number_block")


class NumberBlock:
    """Reference numbers in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock_path = path.with_suffix(".lock")

    @classmethod
    def from_settings(cls, settings: Settings) -> NumberBlock:
        return cls(settings.folder("hotline") / "references.json")

    def left(self) -> int:
        """How many numbers are there."""
        with locked(self._lock_path):
            return len(self._read())

    def take(self) -> str | None:
        """Take one number out, durably; None when there is none. OSError: none was taken."""
        with locked(self._lock_path):
            numbers = self._read()
            if not numbers:
                return None
            number, *rest = numbers
            self._write(rest)
            return number

    def add(self, numbers: Sequence[str]) -> None:
        """Put fresh numbers in."""
        with locked(self._lock_path):
            self._write([*self._read(), *numbers])

    def _read(self) -> list[str]:
        try:
            numbers = json.loads(self._path.read_text(encoding="utf-8"))["numbers"]
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError) as error:
            log.error("the block of reference numbers is unreadable", error=repr(error))
            return []
        return [number for number in numbers if isinstance(number, str)]

    def _write(self, numbers: Sequence[str]) -> None:
        write_durably(self._path, json.dumps({"numbers": list(numbers)}).encode())
