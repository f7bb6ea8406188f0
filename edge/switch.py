"""The quiet switch on the wall of the village office: while it is on, only emergencies sound."""

from __future__ import annotations

import logging
from pathlib import Path

from edge.health import Problems

log = logging.getLogger(__name__)
_OFF = (b"0", b"off")
_LINES = Path("/sys")


class QuietSwitch:
    """A file that exists, or a line of the board that reads 1.

    A line is read through its file (``/sys/class/gpio/gpio17/value``): "0" and "off" inside mean
    off, anything else and an empty file mean on. What cannot be read counts as it was seen last,
    and so does a line that is missing (nobody exported it since the board was switched on): a
    broken wire must neither silence the village nor wake it. Both are told as a problem.
    """

    def __init__(self, file: str, problems: Problems | None = None, lines: Path = _LINES) -> None:
        """``lines``: the folder below which files are lines of the board."""
        self._file = Path(file) if file else None
        self._is_line = self._file is not None and self._file.is_relative_to(lines)
        self._problems = problems or Problems()
        self._was_on = False
        self._is_readable = True

    def is_on(self) -> bool:
        """Look now."""
        if self._file is None:
            return False
        try:
            with self._file.open("rb") as handle:
                found = handle.read(16).strip().lower() not in _OFF
        except OSError as error:
            if self._is_line or not isinstance(error, FileNotFoundError | NotADirectoryError):
                self._tell(error)
                return self._was_on
            found = False
        if not self._is_readable:
            log.info("the quiet switch can be read again")
            self._problems.settle("quiet_switch")
            self._is_readable = True
        if found != self._was_on:
            log.info("the quiet switch is %s", "on" if found else "off")
        self._was_on = found
        return found

    def _tell(self, error: OSError) -> None:
        """Once: it is looked at twice a second."""
        if self._is_readable:
            log.warning("the quiet switch cannot be read: %s", error)
            self._problems.raise_("quiet_switch", f"the quiet switch cannot be read: {error}")
        self._is_readable = False
