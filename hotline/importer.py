"""Carries finished and orphaned calls from the spool into the database, each exactly once.

A folder is worked on under its flock, so two importers never share one and a live call is never
touched. What makes it exactly once: report and call record are one transaction with unique keys,
and the folder goes only after a fresh connection has seen the record.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
import structlog

from cases import intake
from core import bell
from core.blobs import BlobStore
from core.database import Database
from core.errors import XiangyinError
from core.sealed import Sealer
from core.settings import Settings
from hotline import takes
from hotline.damaged import set_aside
from hotline.journal import BELL, CALL_FILE, Damaged, Entry, spool_of
from hotline.models import CallRecord
from hotline.presence import is_there, really_holds
from transcribe.stream import Announcer

LOOK_EVERY_S = 2.0
WAIT_S = (1.0, 2.0, 5.0, 10.0)
STILL_GROWING_S = 5.0
"""Recorders write every second: sound older than this belongs to nobody any more."""
LEFTOVER_S = 3600.0
STUCK_WAIT_S = 60.0
NO_WORDS = "来电人按 5 键（刚刚被骗钱），没有留下可用的录音。"
log = structlog.get_logger("hotline.importer")


_AWAY = (
    sa.exc.OperationalError,
    sa.exc.InterfaceError,
    sa.exc.InternalError,
    sa.exc.ProgrammingError,  # PostgreSQL's word for a table that is not there yet
    sa.exc.TimeoutError,
)


class Away(Exception):
    """The database is locked, migrating or gone; the spool keeps everything meanwhile."""


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
        self._announcer = Announcer(settings)
        self._stop = threading.Event()
        self._not_before: dict[str, float] = {}

    def run_forever(self) -> None:
        """Import until ``stop``; wakes when a call ends, at the latest every two seconds."""
        failures = 0
        with bell.Bell(BELL) as waiting:
            while not self._stop.is_set():
                try:
                    self.run_once()
                    failures = 0
                except Away as error:
                    wait_s = WAIT_S[min(failures, len(WAIT_S) - 1)]
                    failures += 1
                    log.warning("calls wait for the database", why=str(error)[:200])
                    self._stop.wait(wait_s)
                    continue
                waiting.wait(LOOK_EVERY_S)

    def stop(self) -> None:
        self._stop.set()
        bell.ring(BELL)

    def run_once(self) -> int:
        """Import what is ready; returns how many folders went. Raises Away."""
        gone = 0
        for folder in sorted(self._spool.iterdir()):
            if self._stop.is_set():
                break
            if folder.is_dir() and time.monotonic() >= self._not_before.get(folder.name, 0.0):
                gone += self._one(folder)
        return gone

    def _one(self, folder: Path) -> bool:
        with _locked(folder) as ours:
            if not ours:
                return False
            try:
                return self._clear_leftover(folder) if folder.name[0] == "." else self._take(folder)
            except _AWAY as error:
                raise Away(str(error)) from error
            except (XiangyinError, OSError, ValueError, sa.exc.SQLAlchemyError) as error:
                self._not_before[folder.name] = time.monotonic() + STUCK_WAIT_S
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
        if not entry.finished and _still_growing(folder):
            return False
        self._store_call(folder, entry)
        return self._remove(folder, entry.call_id)

    def _store_call(self, folder: Path, entry: Entry) -> None:
        found = takes.find(folder, entry) if entry.consent_at is not None else []
        if entry.consent_at is None and takes.sound_files(folder):
            log.error("sound without consent is thrown away", call_id=entry.call_id)
        arrival = _arrival(folder, entry, found)
        examined = None
        if arrival is not None and arrival.audio_path is not None:
            examined = intake.examine(self._store, arrival.audio_path)
        with self._database.write() as session:
            if session.get(CallRecord, entry.call_id) is not None:
                return
            record = _record(entry)
            if arrival is not None:
                received = intake.receive(
                    session, self._store, self._sealer, arrival, examined=examined
                )
                record.report_id = received.report.id
                told = received.report.reference_no == entry.reference_no
                record.needs_call_back = (
                    entry.call_back_promised
                    or not entry.finished
                    or arrival.audio_path is None
                    or (entry.reference_no is not None and not told)
                )
            session.add(record)
        for path in takes.sound_files(folder):
            if arrival is None or takes.stream_key(path) != arrival.stream_key:
                self._announcer.gone(takes.stream_key(path))
        log.info(
            "call imported",
            call_id=entry.call_id,
            cause=record.end_cause,
            report_id=record.report_id,
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
        return True

    def _confirm(self, call_id: str) -> None:
        if not really_holds(self._database, call_id):
            self._database.engine.dispose()
            raise Away("the database file was replaced while it was written")

    def _remove(self, folder: Path, call_id: str) -> bool:
        self._confirm(call_id)
        shutil.rmtree(folder)
        return True

    def _clear_leftover(self, folder: Path) -> bool:
        """A folder that never got its name (the process died while making it) holds no call."""
        if _age_s(folder) < LEFTOVER_S:
            return False
        shutil.rmtree(folder)
        return True


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Hold the folder's lock; False when a live call or another importer has it, or it is gone."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        yield False
        return
    try:
        yield _lock(descriptor) and _is_still(folder, descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(folder: Path, descriptor: int) -> bool:
    """Whether the path still names what was locked: another importer may have moved it."""
    try:
        return os.path.samestat(folder.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _age_s(path: Path) -> float:
    return time.time() - path.stat().st_mtime  # the file system's clock, so not core.clock


def _still_growing(folder: Path) -> bool:
    """Whether a recorder that outlived its lock may still be writing."""
    return any(
        path.suffix == ".part" and _age_s(path) < STILL_GROWING_S
        for path in takes.sound_files(folder)
    )


def _arrival(folder: Path, entry: Entry, found: list[takes.FoundTake]) -> intake.Arrival | None:
    worth = takes.worth_a_report(found, entry)
    if not worth and entry.urgent_reason is None:
        return None
    return intake.Arrival(
        channel="phone",
        source_key=f"call:{entry.call_id}",
        received_at=datetime.fromisoformat(entry.started_at),
        audio_path=takes.join(found, folder / "report.wav") if worth else None,
        typed_text=None if worth else NO_WORDS,
        caller_sealed=entry.caller_sealed,
        caller_hash=entry.caller_hash,
        pin_hash=entry.pin_hash,
        reference_no=entry.reference_no,
        confidential=entry.confidential,
        urgent=entry.urgent_reason is not None,
        urgent_reason=entry.urgent_reason,
        cut_off=any(take.cut_off for take in found),
        end_cause=entry.end_cause or "killed",
        consent_version=entry.consent_version,
        consent_channel=entry.consent_channel,
        consent_at=_instant(entry.consent_at),
        stream_key=takes.stream_key(found[-1].path) if worth else None,
    )


def _record(entry: Entry) -> CallRecord:
    return CallRecord(
        call_id=entry.call_id,
        caller_sealed=entry.caller_sealed,
        caller_hash=entry.caller_hash,
        called=entry.called,
        started_at=datetime.fromisoformat(entry.started_at),
        answered_at=_instant(entry.answered_at),
        ended_at=_instant(entry.ended_at),
        end_cause=entry.end_cause or "killed",
        steps=entry.steps,
        needs_call_back=True,
    )


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text is not None else None
