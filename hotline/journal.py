"""The spool that calls leave: one folder a call, ``call.json`` beside the takes.

Written by the telephony process without any database. The folder is locked (flock) as long as the
call lives, so the importer can tell a live call from one whose process died. Numbers are sealed
before they touch the disk; the PIN is there only as a keyed hash.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from core.clock import utc_now
from core.files import sync_folder, write_durably
from core.sealed import Sealer
from core.settings import Settings
from hotline.call import RecordingStopped

SCHEMA = 1
CALL_FILE = "call.json"
MAX_STEPS = 300
"""More than any sensible call: a key held down must not fill the disk."""
BELL = "journal"
OVER_ASTERISK = "ast-"
"""Begins the ids of calls whose recordings Asterisk makes, and may still hold after a crash."""
_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,47}")


def spool_of(settings: Settings) -> Path:
    """The folder of all calls that are not in the database yet."""
    return settings.folder("hotline", "spool")


class Damaged(Exception):
    """``call.json`` is missing or cannot be understood."""


@dataclass
class Take:
    """Facts of a take that ended, as the driver told them."""

    name: str
    reason: str
    duration_ms: int
    speech_ms: int
    replaced: bool = False
    """The caller said it again in a later take; it is kept, behind those that count."""


@dataclass
class Entry:
    """What ``call.json`` holds. Instants are ISO 8601 in UTC."""

    call_id: str
    started_at: str
    called: str
    caller_sealed: str | None = None
    caller_hash: str | None = None
    answered_at: str | None = None
    ended_at: str | None = None
    end_cause: str | None = None
    consent_version: str | None = None
    consent_channel: str | None = None
    consent_at: str | None = None
    confidential: bool = False
    urgent_reason: str | None = None
    reference_no: str | None = None
    pin_hash: str | None = None
    call_back_promised: bool = False
    language: str = "zh_CN"
    kind: str = "report"
    """What the caller wanted: report, status, news, human, studio, quiet, live."""
    wants_person: bool = False
    """Asked for a person, whatever ``kind`` is."""
    village_code: str | None = None
    village_from: str | None = None
    """How the village is known: line (number dialled), last (caller's last one), code (keyed)."""
    on_behalf: bool = False
    """Somebody reports for another person; the caller's number is the helper's."""
    staff_user_id: int | None = None
    """Who proved to be staff by a PIN (studio, quiet, live)."""
    programme_id: int | None = None
    """Studio: the programme the takes become an episode of, once ``submitted``."""
    submitted: bool = False
    about_reference_no: str | None = None
    """Status: the report that was asked about, when number and PIN were right."""
    not_satisfied: bool = False
    """Status: the caller pressed 1; ``takes`` may hold why."""
    finished: bool = False
    takes: list[Take] = field(default_factory=list)
    steps: list[dict[str, str]] = field(default_factory=list)
    schema: int = SCHEMA

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what ``as_json`` wrote; raises Damaged for anything else."""
        try:
            raw: dict[str, Any] = json.loads(text)
            known = {entry.name for entry in fields(cls)}
            if raw["schema"] != SCHEMA or not set(raw) <= known:
                raise ValueError("unknown form")
            entry = cls(**{**raw, "takes": [Take(**take) for take in raw["takes"]]})
            for instant in (entry.started_at, entry.answered_at, entry.ended_at, entry.consent_at):
                if instant is not None and datetime.fromisoformat(instant).tzinfo is None:
                    raise ValueError("an instant without a zone")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Damaged(str(error)) from error
        return entry

    def as_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False, indent=1)


def opened(sealer: Sealer, call_id: str, caller: str, called: str) -> Entry:
    """The entry of a call that begins now; the caller's number is sealed."""
    return Entry(
        call_id=folder_name(call_id),
        started_at=utc_now().isoformat(),
        called=called[:80],
        caller_sealed=sealer.seal(caller) if caller else None,
        caller_hash=sealer.caller_hash(caller) if caller else None,
    )


def folder_name(call_id: str) -> str:
    """A driver's call id as a folder name and key: itself when harmless, else its hash."""
    if _SAFE_ID.fullmatch(call_id):
        return call_id
    return hashlib.sha256(call_id.encode()).hexdigest()[:40]


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
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


class Journal:
    """Writer of one call's folder; ``save`` and ``bind`` may run in worker threads."""

    def __init__(self, folder: Path, lock: int, entry: Entry) -> None:
        self.folder = folder
        self.entry = entry
        self._lock = lock
        self._saving = threading.Lock()

    @classmethod
    def begin(cls, spool: Path, sealer: Sealer, call_id: str, caller: str, called: str) -> Self:
        """``create`` for a call that begins now."""
        return cls.create(spool, opened(sealer, call_id, caller, called))

    @classmethod
    def create(cls, spool: Path, entry: Entry) -> Self:
        """Make, lock and fill the folder. FileExistsError for a call id that was there before.

        The folder gets its name only when it is locked and filled, so that nobody ever sees a
        live call without its lock. A disk that refuses it is left as it was.
        """
        name = entry.call_id
        if (spool / name).exists():
            raise FileExistsError(name)
        hidden = spool / f".{name}.{os.urandom(4).hex()}"
        hidden.mkdir(mode=0o700)
        lock = os.open(hidden, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            write_durably(hidden / CALL_FILE, entry.as_json().encode())
            hidden.rename(spool / name)
            sync_folder(spool)
        except BaseException:
            os.close(lock)
            shutil.rmtree(hidden, ignore_errors=True)
            raise
        return cls(spool / name, lock, entry)

    def take_path(self, number: int) -> Path:
        """Where take ``number`` (from 1) is written."""
        return self.folder / f"take-{number}.pcm"

    def note(self, state: str, event: str) -> None:
        """Add a step (in memory until ``save``); of too many the newest replaces the last."""
        del self.entry.steps[MAX_STEPS - 1 :]
        self.entry.steps.append({"at": utc_now().isoformat(), "state": state, "event": event})

    def answered(self) -> None:
        self.entry.answered_at = utc_now().isoformat()

    def consent(self, version: str, channel: str, *, confidential: bool) -> None:
        self.entry.consent_version = version
        self.entry.consent_channel = channel
        self.entry.consent_at = utc_now().isoformat()
        self.entry.confidential = confidential

    def withdraw_consent(self) -> None:
        """The disk refused the consent: a later ``save`` must not claim it."""
        self.entry.consent_version = self.entry.consent_channel = self.entry.consent_at = None
        self.entry.confidential = False

    def keep_take(self, number: int, stopped: RecordingStopped, *, replaces: bool = False) -> None:
        """Enter the facts of a take; ``replaces``: those before it count no longer."""
        name = self.take_path(number).name
        for before in self.entry.takes if replaces else ():
            before.replaced = True
        self.entry.takes.append(Take(name, stopped.reason, stopped.duration_ms, stopped.speech_ms))

    def spoken_takes(self) -> list[Path]:
        """The finished takes that count and in which there is any speech."""
        counting = (take for take in self.entry.takes if not take.replaced)
        return [self.folder / take.name for take in counting if take.speech_ms > 0]

    def bind(self, number: str, pin_hash: str) -> None:
        """Put number and PIN on disk; OSError leaves the entry without them."""
        self.entry.reference_no, self.entry.pin_hash = number, pin_hash
        try:
            self.save()
        except OSError:
            self.entry.reference_no = self.entry.pin_hash = None
            raise

    def finish(self, cause: str) -> None:
        """Mark the call as over (in memory until ``save``)."""
        self.entry.ended_at = utc_now().isoformat()
        self.entry.end_cause = cause[:30]
        self.entry.finished = True

    def save(self) -> None:
        """Write ``call.json`` durably; OSError when the disk refuses."""
        with self._saving:
            write_durably(self.folder / CALL_FILE, self.entry.as_json().encode())

    def close(self) -> None:
        """Unlock: from here on the folder belongs to the importer."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
