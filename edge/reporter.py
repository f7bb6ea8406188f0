"""Tells the server how the box is, and hears what the server wants of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from edge.client import Client
from edge.commands import Commands
from edge.errors import EdgeError, ServerRefused
from edge.store import Store

log = logging.getLogger(__name__)
APPROVED = "approved"
"""Fact kept for ``status``: what the server said last, yes, no or ``SHUT_OUT``."""
SHUT_OUT = "shut_out"
_FIRST_AFTER_S = 15.0
_SOON_AGAIN_S = 5.0


class Reporter:
    """Reports every ``every_s`` in a thread of its own, so that no long download delays it.

    The first report waits some seconds for the first round with the server to end.
    """

    def __init__(
        self,
        client: Client,
        store: Store,
        commands: Commands,
        every_s: float,
        *,
        report: Callable[[], dict[str, Any]],
        taken: Callable[[], None],
        approved: Callable[[], None],
        shut_out: Callable[[], None],
    ) -> None:
        """``taken``: the server has taken a report; ``approved``: somebody has said yes to this
        box since the last one; ``shut_out``: the server says that somebody shut it out."""
        self._client = client
        self._store = store
        self._commands = commands
        self._every_s = every_s
        self._report = report
        self._taken = taken
        self._approved = approved
        self._shut_out = shut_out
        self._due = threading.Event()
        self._hurry = threading.Event()
        self._stopped = threading.Event()
        self._fails = False
        self._thread = threading.Thread(target=self._run, name="report", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopped.set()
        self.at_once()
        self._thread.join(0.3)

    def soon(self) -> None:
        """There is something worth telling now."""
        self._due.set()

    def at_once(self) -> None:
        """Somebody waits for the next report: it follows the last one without a pause."""
        self._hurry.set()
        self._due.set()

    def tell_once(self) -> None:
        """One report. Raises EdgeError when the server cannot be reached or refuses it."""
        answer = self._client.post_health(self._report())
        self._taken()
        self._note_approval(answer.get("approved"))
        for envelope in answer.get("commands") or ():
            self._commands.take(envelope)
        self._commands.tell()

    def _note_approval(self, said: object) -> None:
        if not isinstance(said, bool):
            return
        word = "yes" if said else "no"
        before = self._store.fact(APPROVED)
        if before == word:
            return
        self._store.remember(APPROVED, word)
        if said and before is not None:
            log.info("this box was approved")
            self._approved()

    def _run(self) -> None:
        wait_s = min(_FIRST_AFTER_S, self._every_s)
        while True:
            self._due.wait(wait_s)
            self._due.clear()
            if self._stopped.is_set():
                return
            begun_s = time.monotonic()
            self.try_once()
            # What rings all the time must not become a flood.
            self._hurry.wait(min(_SOON_AGAIN_S, self._every_s))
            self._hurry.clear()
            wait_s = max(0.0, begun_s + self._every_s - time.monotonic())

    def try_once(self) -> None:
        """One report, or a line in the log."""
        try:
            self.tell_once()
            self._fails = False
        except EdgeError as error:
            self._note_failure(error)
        except Exception:
            log.exception("the report of health failed")

    def _note_failure(self, error: EdgeError) -> None:
        if not self._fails or isinstance(error, ServerRefused):
            log.warning("no report of health: %s", error)
        self._fails = True
        if isinstance(error, ServerRefused) and error.is_shut_out:
            self._shut_out()
