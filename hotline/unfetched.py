"""Calls that are over and that nobody fetches from the spool."""

from __future__ import annotations

import time
from pathlib import Path

from hotline.journal import locked

AFTER_S = 60.0
"""The importer looks every two seconds; what waits for this long waits for somebody's help."""


def unfetched(spool: Path) -> int:
    """How many calls are over for a minute and still in ``spool``. Raises OSError.

    A folder that cannot be opened counts: the importer cannot open it either.
    """
    return sum(_is_unfetched(folder) for folder in spool.iterdir() if folder.name[0] != ".")


def _is_unfetched(folder: Path) -> bool:
    try:
        # The file system's clock, so not core.clock.
        if not folder.is_dir() or time.time() - folder.stat().st_mtime < AFTER_S:
            return False
    except FileNotFoundError:
        return False
    try:
        with locked(folder) as is_over:
            return is_over
    except OSError:
        return True
