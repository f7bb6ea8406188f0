"""Lets a voicemail in exactly once, by its message and by its sound.

Sound and rows come before anything else is remembered: a process that dies midway begins the
message anew and finds what was committed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from cases import intake
from cases.intake import Arrival, Examined
from core import phone_numbers
from core.blobs import BlobStore
from core.clock import utc_now
from core.database import Database
from core.sealed import Sealer
from hotline.mailbox.words import Told
from hotline.models import HotlineLine, MailboxMessage
from hotline.presence import AWAY_ERRORS, Away, is_there

CONSENT_VERSION = "mailbox-1"
"""Consent by leaving a message after an announcement that says: recorded, who hears it, how long
it is kept. There is no key press; docs/other-doors.md gives the announcement's words."""
CONSENT_CHANNEL = "mailbox"
ROUNDING_S = 2
LONGEST_NOTE = 200
SAME_SOUND = "the same sound came before"
log = structlog.get_logger("hotline.mailbox")


@dataclass(frozen=True, kw_only=True)
class Voicemail:
    """A message that was read. ``audio_path``: a copy of ours that nobody else writes.

    ``seen_at``: its file's or mail's time, where the message itself tells none.
    """

    key: str
    source: str
    audio_path: Path
    seen_at: datetime
    told: Told


class Entering:
    """The way into the database."""

    def __init__(self, database: Database, store: BlobStore, sealer: Sealer) -> None:
        self._database = database
        self._store = store
        self._sealer = sealer

    def known(self, key: str) -> MailboxMessage | None:
        """The row of a message that was dealt with, else None. Raises Away."""
        try:
            with self._database.read() as session:
                return _by_key(session, key)
        except AWAY_ERRORS as error:
            raise Away(str(error)) from error

    def note(self, key: str, source: str, note: str, report_id: int | None = None) -> None:
        """Remember that a message was dealt with, once. Raises Away."""
        row = _row(key, source, None, report_id, note)
        try:
            with self._database.write() as session:
                if _by_key(session, key) is None:
                    session.add(row)
        except sa.exc.IntegrityError:
            return  # somebody else noted it this moment
        except AWAY_ERRORS as error:
            raise Away(str(error)) from error

    def enter(self, voicemail: Voicemail) -> int:
        """The report of the voicemail, made when it is new. Raises Away, OSError (disk)."""
        if not is_there(self._database):
            raise Away("the database file is missing")
        try:
            known = self.known(voicemail.key)
            if known is not None and known.report_id is not None:
                return known.report_id
            examined = intake.examine(self._store, voicemail.audio_path)
            try:
                return self._store_once(voicemail, examined)
            except sa.exc.IntegrityError:  # another process stored the same message this moment
                return self._store_once(voicemail, examined)
        except AWAY_ERRORS as error:
            raise Away(str(error)) from error

    def _store_once(self, voicemail: Voicemail, examined: Examined) -> int:
        with self._database.write() as session:
            known = _by_key(session, voicemail.key)
            if known is not None and known.report_id is not None:
                return known.report_id
            arrival = _arrival(session, voicemail, examined)
            received = intake.receive(
                session, self._store, self._sealer, arrival, examined=examined
            )
            note = None if received.is_new else SAME_SOUND
            report_id = received.report.id
            if known is None:
                session.add(
                    _row(voicemail.key, voicemail.source, examined.original, report_id, note)
                )
            else:
                known.report_id, known.content_sha256 = report_id, examined.original
        log.info(
            "voicemail taken in",
            source=voicemail.source,
            report_id=report_id,
            is_new=received.is_new,
            sound_failure=examined.failure,
        )
        return report_id


def _by_key(session: Session, key: str) -> MailboxMessage | None:
    return session.scalar(sa.select(MailboxMessage).where(MailboxMessage.message_key == key))


def _row(
    key: str, source: str, sha256: str | None, report_id: int | None, note: str | None
) -> MailboxMessage:
    return MailboxMessage(
        message_key=key,
        content_sha256=sha256,
        source=source,
        seen_at=utc_now(),
        report_id=report_id,
        note=note[:LONGEST_NOTE] if note else None,
    )


def _arrival(session: Session, voicemail: Voicemail, examined: Examined) -> Arrival:
    told = voicemail.told
    received_at = min(told.received_at or voicemail.seen_at, utc_now())
    line = session.get(HotlineLine, phone_numbers.normal(told.box)) if told.box else None
    return Arrival(
        channel="mailbox",
        source_key=f"mailbox:{examined.original}",
        received_at=received_at,
        village_code=line.village_code if line else None,
        caller_number=told.caller,
        cut_off=_is_cut_off(told, examined),
        end_cause="voicemail",
        consent_version=CONSENT_VERSION,
        consent_channel=CONSENT_CHANNEL,
        consent_at=received_at,
    )


def _is_cut_off(told: Told, examined: Examined) -> bool:
    """Whether the message was longer than the sound that is there."""
    if told.duration_s is None or examined.facts is None:
        return False
    heard = timedelta(milliseconds=examined.facts.duration_ms)
    return timedelta(seconds=told.duration_s - ROUNDING_S) > heard
