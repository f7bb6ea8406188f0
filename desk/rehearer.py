"""Background duty: what a new model should hear again, what waited for room, what can be forgotten.

One process at a time has it (a lease row); between two looks it holds nothing in its memory.
"""

from __future__ import annotations

import os
import socket
import threading
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog

from core import leases
from core.clock import utc_now
from core.database import Database
from core.errors import XiangyinError
from core.settings import Settings
from desk import episode_words, rehearing
from transcribe import catalogue, hearings

LEASE = "rehearing"
LEASE_S = 150
EVERY_S = 60.0
PRUNE_EVERY = timedelta(hours=24)
log = structlog.get_logger("desk.rehearer")


class Rehearer:
    """Looks at the start and then each minute until ``stop``."""

    name = "rehearer"

    def __init__(self, database: Database, settings: Settings, *, every_s: float = EVERY_S) -> None:
        self._database, self._settings, self._every_s = database, settings, every_s
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{id(self):x}"
        self._stopped = threading.Event()
        self._pruned_at: datetime | None = None

    def run_forever(self) -> None:
        """Work until ``stop``; gives the duty back at the end."""
        while True:
            try:
                self.sweep()
            except sa.exc.SQLAlchemyError as error:
                log.warning("hearing again waits for the database", error=str(error)[:200])
            except XiangyinError as error:
                log.warning("hearing again waits for a model", error=error.text)
            if self._stopped.wait(self._every_s):
                break
        self.give_back()

    def stop(self) -> None:
        self._stopped.set()

    def give_back(self) -> None:
        """Let another process have the duty at once."""
        try:
            leases.release(self._database, LEASE, self._holder)
        except sa.exc.SQLAlchemyError as error:
            log.warning("the duty could not be given back", error=str(error)[:200])

    def sweep(self) -> int:
        """One look, if the duty is ours; returns how many sounds were put in the queue."""
        if not leases.hold(self._database, LEASE, self._holder, LEASE_S):
            return 0
        self._prune()
        with self._database.write() as session:
            first_words = episode_words.catch_up(session)
        with self._database.read() as session:
            anything = rehearing.room(session) and rehearing.ranked(session, self._settings, 1)
        if not anything:
            return first_words
        with self._database.write() as session:
            chosen = rehearing.enqueue(session, self._settings)
        if chosen:
            log.info("sounds are heard again", count=len(chosen), model=chosen[0].model.name)
        return first_words + len(chosen)

    def _prune(self) -> None:
        now = utc_now()
        if self._pruned_at is not None and now - self._pruned_at < PRUNE_EVERY:
            return
        installed = {model.tree_hash for model in catalogue.installed(self._settings)}
        installed.add(catalogue.current(self._settings).tree_hash)
        with self._database.write() as session:
            gone = hearings.prune(session, installed, keep_days=self._settings.keep_audio_days)
        self._pruned_at = now
        if gone:
            log.info("hearings forgotten", count=gone)
