"""Reads voicemails from a mailbox over IMAP (RFC 3501), TLS verified; polls every 30 seconds.

Whether somebody has opened a mail does not matter: it is known by its headers and its sounds. A
mail is marked as read once its sounds are committed, one without sound stays unread for a person;
nothing is ever deleted.
"""

from __future__ import annotations

import imaplib
import re
import ssl
import tempfile
import threading
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import structlog

from core.clock import utc_now
from core.settings import Settings
from hotline.mailbox import mails
from hotline.mailbox.address import Address, CannotRead, quoted
from hotline.mailbox.condition import Condition
from hotline.mailbox.entering import Entering, Voicemail
from hotline.patience import Patience
from hotline.presence import Away

LOOK_EVERY_S = 30.0
NETWORK_TIMEOUT_S = 30.0
WAIT_S = (30.0, 60.0, 120.0, 300.0, 900.0)
"""Pauses after failures; an account must not be locked because we ask too often. A mail that
fails waits as long, by itself."""
LOOK_BACK = timedelta(days=30)
"""Mails this young are looked at even when somebody has read them already."""
HEADS_AT_ONCE = 200
MB = 1_000_000
_HEAD = "(UID RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT)])"
_UID, _SIZE = re.compile(rb"UID (\d+)"), re.compile(rb"RFC822\.SIZE (\d+)")
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
log = structlog.get_logger("hotline.mailbox")

DAMAGED = (ValueError, IndexError, TypeError)
"""What imaplib raises at an answer that makes no sense."""

imaplib.Commands.setdefault("ID", ("NONAUTH", "AUTH", "SELECTED"))


class MailFailed(Exception):
    """One mail cannot be taken in now; the others go on."""


@dataclass(frozen=True)
class Head:
    """What is known of a mail before it is fetched."""

    uid: int
    size_bytes: int
    key: str


class ImapReader:
    """Background duty of the web process."""

    name = "voicemail-imap"

    def __init__(self, entering: Entering, settings: Settings) -> None:
        self._entering = entering
        self._settings = settings
        self._zone = ZoneInfo(settings.zone)
        self._incoming = settings.folder("incoming")
        self._largest_bytes = 3 * settings.report_upload_max_mb * MB
        self._condition = Condition(settings, "imap")
        self._stop = threading.Event()
        self._server: imaplib.IMAP4_SSL | None = None
        self._done: set[tuple[str, int]] = set()
        self._patience = Patience(WAIT_S)
        self._heads_at_once = HEADS_AT_ONCE

    def run_forever(self) -> None:
        """Read every 30 seconds until ``stop``; after failures less and less often."""
        failures = 0
        while not self._stop.is_set():
            wait_s = LOOK_EVERY_S
            try:
                self.run_once()
                failures = 0
            except (CannotRead, Away) as error:
                wait_s = WAIT_S[min(failures, len(WAIT_S) - 1)]
                failures += 1
                log.warning("the mailbox waits", why=str(error)[:200], again_in_s=wait_s)
            self._stop.wait(wait_s)
        self._hang_up()

    def stop(self) -> None:
        self._stop.set()

    def run_once(self) -> int:
        """Take in what is new; returns how many mails were dealt with. Raises CannotRead, Away."""
        try:
            dealt_with = self._read()
        except CannotRead as error:
            self._hang_up()
            self._condition.has_problem(error.code, error.why)
            raise
        except (imaplib.IMAP4.error, *DAMAGED) as error:
            self._hang_up()
            self._condition.has_problem("protocol", str(error)[:200])
            raise CannotRead("protocol", str(error)[:200]) from error
        except OSError as error:
            self._hang_up()
            self._condition.has_problem("unreachable", str(error)[:200])
            raise CannotRead("unreachable", str(error)[:200]) from error
        if self._patience.is_tried:
            self._condition.has_problem("mail", "some mails cannot be taken in")
        else:
            self._condition.is_well()
        return dealt_with

    def _read(self) -> int:
        server = self._server or self._connect()
        self._server = server
        folder = Address.parse(self._settings.imap_url).folder
        try:
            answer, said = server.select(quoted(folder))
        except imaplib.IMAP4.readonly:
            answer, said = server.select(quoted(folder), readonly=True)
        if answer != "OK":
            raise CannotRead("no_folder", f"{folder}: {said[0]!r}")
        age = str(server.response("UIDVALIDITY")[1])
        since = utc_now() - LOOK_BACK
        day = f"{since.day}-{_MONTHS[since.month - 1]}-{since.year}"
        found = _checked(server.uid("SEARCH", f"OR UNSEEN SINCE {day}"))
        uids = [int(uid) for uid in (found[0] or b"").split()]
        there = {(age, uid) for uid in uids}
        self._done &= there
        self._patience.keep(there)
        fresh = sorted(uid for _, uid in there - self._done if self._patience.is_due((age, uid)))
        heads = self._heads(server, fresh, age)
        # what breaks the line comes last: it is due again whenever the mailbox is
        heads.sort(key=lambda head: (self._patience.failures((age, head.uid)), head.uid))
        dealt_with = 0
        for head in heads:
            if self._stop.is_set():
                break
            dealt_with += self._try_one(server, head, (age, head.uid))
        return dealt_with

    def _heads(self, server: imaplib.IMAP4_SSL, uids: list[int], age: str) -> list[Head]:
        """What is asked for at once fails at once: then one by one, until all were given."""
        found: list[Head] = []
        at_once, is_whole = self._heads_at_once, True
        for start in range(0, len(uids), at_once):
            some = uids[start : start + at_once]
            try:
                found += _heads(server, some)
            except (imaplib.IMAP4.error, OSError, *DAMAGED) as error:
                if len(some) > 1:
                    self._heads_at_once = 1
                    raise
                self._patience.failed((age, some[0]))
                if isinstance(error, imaplib.IMAP4.abort | OSError):
                    raise
                is_whole = False
                log.error("the head of a mail was not given", uid=some[0], error=repr(error)[:200])
        if is_whole:
            self._heads_at_once = HEADS_AT_ONCE
        return found

    def _try_one(self, server: imaplib.IMAP4_SSL, head: Head, mail: tuple[str, int]) -> int:
        """Mails dealt with; one that fails, or breaks the line, has its own time to try again."""
        try:
            dealt_with = self._one(server, head)
        except MailFailed:
            self._patience.failed(mail)
            return 0
        except (imaplib.IMAP4.error, OSError):
            self._patience.failed(mail)
            raise
        self._done.add(mail)
        self._patience.succeeded(mail)
        return dealt_with

    def _connect(self) -> imaplib.IMAP4_SSL:
        address = Address.parse(self._settings.imap_url)
        try:
            server = imaplib.IMAP4_SSL(
                address.host,
                address.port,
                ssl_context=ssl.create_default_context(),
                timeout=NETWORK_TIMEOUT_S,
            )
        except ssl.SSLError as error:
            raise CannotRead("tls", str(error)[:200]) from error
        try:
            server.login(address.user, self._settings.imap_password)
        except imaplib.IMAP4.abort:
            raise
        except (imaplib.IMAP4.error, UnicodeError) as error:
            server.shutdown()
            raise CannotRead("login", str(error)[:200]) from None
        if "ID" in server.capabilities:  # some providers refuse folders to clients without a name
            server.xatom("ID", '("name" "xiangyin" "version" "1")')
        return server

    def _one(self, server: imaplib.IMAP4_SSL, head: Head) -> int:
        known = self._entering.known(head.key)
        if known is None:
            if head.size_bytes > self._largest_bytes:
                self._silent(head, mails.TOO_LARGE)
                return 1
            known_report = self._take(server, head)
        else:
            known_report = known.report_id
        if known_report is not None:
            self._mark_read(server, head)
        return known is None

    def _take(self, server: imaplib.IMAP4_SSL, head: Head) -> int | None:
        """Enter every sound of the mail, then note the mail itself as done; its first report."""
        given, answer = server.uid("FETCH", str(head.uid), "(BODY.PEEK[])")
        raw = next((part[1] for part in answer if isinstance(part, tuple)), None)
        if given != "OK" or raw is None:
            raise MailFailed(f"mail {head.uid} vanished or was not given")
        try:
            return self._enter(head, mails.read(raw, self._zone))
        except Away:
            raise
        except Exception as error:  # whatever is the matter with this mail, the others go on
            log.error("a mail could not be taken in; it stays", key=head.key, error=repr(error))
            raise MailFailed(f"mail {head.uid}: {type(error).__name__}") from error

    def _enter(self, head: Head, mail: mails.Mail) -> int | None:
        reports = []
        with tempfile.TemporaryDirectory(dir=self._incoming) as folder:
            for sound in mail.sounds:
                path = Path(folder) / f"sound.{sound.ending}"
                path.write_bytes(sound.content)
                voicemail = Voicemail(
                    key=f"{head.key}#{sound.part}",
                    source="imap",
                    audio_path=path,
                    seen_at=utc_now(),
                    told=mail.told,
                )
                reports.append(self._entering.enter(voicemail))
        if not reports:
            self._silent(head, mail.why_silent or mails.NO_SOUND)
            return None
        self._entering.note(head.key, "imap", f"mail with {len(reports)} sounds", reports[0])
        return reports[0]

    def _silent(self, head: Head, why: str) -> None:
        self._entering.note(head.key, "imap", why)
        log.warning("a mail without usable sound stays unread", key=head.key, why=why)

    def _mark_read(self, server: imaplib.IMAP4_SSL, head: Head) -> None:
        answer, said = server.uid("STORE", str(head.uid), "+FLAGS.SILENT", r"(\Seen)")
        if answer != "OK":
            log.info("a mail could not be marked as read: may we only read?", said=str(said)[:100])

    def _hang_up(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            try:
                server.logout()
            except (OSError, imaplib.IMAP4.error):
                server.shutdown()


def _heads(server: imaplib.IMAP4_SSL, uids: list[int]) -> list[Head]:
    found = []
    for part in _checked(server.uid("FETCH", ",".join(map(str, uids)), _HEAD)):
        if isinstance(part, tuple):
            uid, size = _UID.search(part[0]), _SIZE.search(part[0])
            if uid and size:
                found.append(Head(int(uid[1]), int(size[1]), mails.key_of(part[1])))
    return found


def _checked(answer: tuple[str, list[Any]]) -> list[Any]:
    if answer[0] != "OK":
        raise imaplib.IMAP4.error(str(answer[1])[:200])
    return answer[1]
