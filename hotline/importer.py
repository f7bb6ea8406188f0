"""Carries finished and orphaned calls from the spool into the database, each exactly once.

A folder is worked on under its flock, so two importers never share one and a live call is never
touched. What makes it exactly once: report and call record are one transaction with unique keys,
and the folder goes only after a fresh connection has seen the record.
"""

from __future__ import annotations

import shutil
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import structlog

from core import bell
from core.blobs import BlobStore
from core.database import Database
from core.sealed import Sealer
from core.settings import Settings
from hotline import entering, takes
from hotline.damaged import set_aside
from hotline.entering import SpooledCall
from hotline.journal import BELL, CALL_FILE, OVER_ASTERISK, Damaged, Entry, locked, spool_of
from hotline.models import CallRecord
from hotline.patience import Patience
from hotline.presence import AWAY_ERRORS, Away, is_there, really_holds
from transcribe.stream import Announcer

LOOK_EVERY_S = 2.0
WAIT_S = (1.0, 2.0, 5.0, 10.0)
STILL_GROWING_S = 5.0
"""Recorders write every second: sound older than this belongs to nobody any more."""
RESCUE_WITHIN_S = 600.0
"""Longer than Asterisk and telephony take to start after a power cut."""
LEFTOVER_S = 3600.0
STUCK_WAIT_S = 60.0
log = structlog.get_logger("hotline.importer")


class Importer:
    """Background service of the web process."""

    name = "hotline-importer"

    def __init__(
        self, database: Database, store: BlobStore, sealer: Sealer, settings: Settings
    ) -> None:
        self._database = database
        self._store = store
        self._sealer = sealer
        self._spool = spool_of(settings)
        self._zone = settings.zone
        self._announcer = Announcer(settings)
        self._stop = threading.Event()
        self._patience = Patience([STUCK_WAIT_S])
        self._first_seen: dict[str, float] = {}

    def run_forever(self) -> None:
        """Import until ``stop``; wakes when a call ends, at the latest every two seconds."""
        failures = 0
        with bell.Bell(BELL) as waiting:
            while not self._stop.is_set():
                try:
                    self.run_once()
                    failures = 0
                except (Away, OSError) as error:
                    wait_s = WAIT_S[min(failures, len(WAIT_S) - 1)]
                    failures += 1
                    log.warning("calls wait for database or disk", why=str(error)[:200])
                    self._stop.wait(wait_s)
                    continue
                waiting.wait(LOOK_EVERY_S)

    def stop(self) -> None:
        self._stop.set()
        bell.ring(BELL)

    def run_once(self) -> int:
        """Import what is ready; returns how many folders went. Raises Away, OSError."""
        gone = 0
        for folder in sorted(self._spool.iterdir()):
            if self._stop.is_set():
                break
            if folder.is_dir() and self._patience.is_due(folder.name):
                gone += self._one(folder)
        return gone

    def _one(self, folder: Path) -> bool:
        try:
            with locked(folder) as ours:
                if not ours:
                    return False
                return self._clear_leftover(folder) if folder.name[0] == "." else self._take(folder)
        except Away:
            raise
        except AWAY_ERRORS as error:
            raise Away(str(error)) from error
        except Exception as error:  # whatever is the matter with this call, the others go on
            self._patience.failed(folder.name)
            log.error(
                "a call could not be imported; it stays in the spool",
                call_id=folder.name,
                error=repr(error),
            )
            return False

    def _take(self, folder: Path) -> bool:
        if not is_there(self._database):
            raise Away("the database file is missing")
        try:
            entry = Entry.parse((folder / CALL_FILE).read_text(encoding="utf-8"))
            if entry.call_id != folder.name:
                raise Damaged("the entry belongs to another call")
        except (Damaged, FileNotFoundError, UnicodeDecodeError) as error:
            return self._take_damaged(folder, str(error))
        grows = not entry.finished and _still_growing(folder)
        if grows or self._is_at_asterisk(folder):
            return False
        self._store_call(folder, entry)
        return self._remove(folder, entry.call_id)

    def _is_at_asterisk(self, folder: Path) -> bool:
        """Whether telephony, once it is back, may still fetch the sound from there."""
        if not folder.name.startswith(OVER_ASTERISK) or not any(folder.glob("take-*.part")):
            return False
        first_s = self._first_seen.setdefault(folder.name, time.monotonic())
        return time.monotonic() - first_s < RESCUE_WITHIN_S

    def _store_call(self, folder: Path, entry: Entry) -> None:
        found = takes.find(folder, entry) if entry.consent_at is not None else []
        if entry.consent_at is None and takes.sound_files(folder):
            log.error("sound without consent is thrown away", call_id=entry.call_id)
        store = entering.prepare(
            SpooledCall(folder, entry, found, self._store, self._sealer, self._zone)
        )
        with self._database.write() as session:
            if session.get(CallRecord, entry.call_id) is not None:
                return
            record, made = store(session)
        for path in takes.sound_files(folder):
            if takes.stream_key(path) != made.stream_key:
                self._announcer.gone(takes.stream_key(path))
        log.info(
            "call imported",
            call_id=entry.call_id,
            kind=entry.kind,
            cause=record.end_cause,
            report_id=record.report_id,
            call_back_id=record.call_back_id,
            orphan=not entry.finished,
        )

    def _take_damaged(self, folder: Path, why: str) -> bool:
        """Set the folder aside; somebody who looks at the calls sees that there was one."""
        if _still_growing(folder):
            return False
        begun = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
        with self._database.write() as session:
            if session.get(CallRecord, folder.name) is None:
                session.add(
                    CallRecord(
                        call_id=folder.name,
                        started_at=begun,
                        end_cause="damaged",
                        steps=[],
                        needs_call_back=True,
                    )
                )
        self._confirm(folder.name)
        set_aside(folder, self._sealer, why)
        self._first_seen.pop(folder.name, None)
        return True

    def _confirm(self, call_id: str) -> None:
        if not really_holds(self._database, call_id):
            self._database.engine.dispose()
            raise Away("the database file was replaced while it was written")

    def _remove(self, folder: Path, call_id: str) -> bool:
        self._confirm(call_id)
        shutil.rmtree(folder)
        self._first_seen.pop(folder.name, None)
        return True

    def _clear_leftover(self, folder: Path) -> bool:
        """A folder that never got its name (the process died while making it) holds no call."""
        if _age_s(folder) < LEFTOVER_S:
            return False
        shutil.rmtree(folder)
        return True


def _age_s(path: Path) -> float:
    return time.time() - path.stat().st_mtime  # the file system's clock, so not core.clock


def _still_growing(folder: Path) -> bool:
    """Whether a recorder that outlived its lock may still be writing."""
    return any(
        path.suffix == ".part" and _age_s(path) < STILL_GROWING_S
        for path in takes.sound_files(folder)
    )
