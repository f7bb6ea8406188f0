"""What goes wrong in the loop of the box: told to the office while it lasts, and logged once."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from edge.health import Problems

log = logging.getLogger(__name__)
EXIT_FAILED = 1
"""The program ends with it when only a new start of it can help."""


class Troubles:
    """``is_whole``: whether the last look at the clock went through and nothing failed in it."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._found: list[str] = []
        self._logged: set[tuple[str, type[Exception]]] = set()
        self.is_whole = False

    @contextmanager
    def contained(self, doing: str) -> Iterator[None]:
        """What fails inside keeps nothing else from its turn. A damaged memory is passed on."""
        try:
            yield
        except Exception as error:
            if is_damage(error):
                raise
            self.note(doing, error)

    def fail(self, error: Exception) -> None:
        """The look ended with an error."""
        self.note("the loop failed", error)
        self.end_look()

    def end_look(self) -> None:
        """Tell how it went."""
        self.is_whole = not self._found
        if self.is_whole:
            self._logged.clear()
            self._problems.settle("loop")
        else:
            self._problems.raise_("loop", self._found[0])
            self._found.clear()

    def note(self, doing: str, error: Exception) -> None:
        """Something failed in this look. ``doing``: what, in words."""
        self._found.append(f"{doing}: {error!r}")
        if (doing, type(error)) not in self._logged:
            self._logged.add((doing, type(error)))
            log.error("%s; trying again", doing, exc_info=error)


def is_damage(error: Exception) -> bool:
    """Whether the memory itself is broken: it is looked after at the next start of the program.

    SQLite's other errors have classes of their own, such as OperationalError for a full disk.
    """
    return type(error) is sqlite3.DatabaseError


def end_within(seconds: float, code: int) -> None:
    """End the program so, at the latest: a driver that hangs may hold up its orderly end."""
    timer = threading.Timer(seconds, os._exit, (code,))
    timer.daemon = True
    timer.start()
