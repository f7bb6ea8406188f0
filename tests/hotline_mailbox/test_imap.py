"""Voicemails in a mailbox, read from a real IMAP server."""

from __future__ import annotations

import imaplib
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.utils import format_datetime
from zoneinfo import ZoneInfo

import pytest

from core.blobs import BlobStore
from core.clock import utc_now
from core.database import Database
from core.sealed import Sealer
from core.settings import Settings
from hotline.mailbox import condition, imap, mails
from hotline.mailbox.address import CannotRead, quoted
from hotline.mailbox.duty import duties
from hotline.mailbox.entering import Away, Entering
from hotline.mailbox.imap import ImapReader
from hotline.patience import Patience
from tests import counterparts
from tests.conftest import on_both_databases
from tests.hotline_mailbox.dovecot import PASSWORD, Dovecot
from tests.hotline_mailbox.voicemails import NUMBER, leave, messages, reports, sound, text

pytestmark = [pytest.mark.real("dovecot"), pytest.mark.slow]


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    counterparts.require("dovecot")
    made = Dovecot()
    yield made
    made.remove()


@pytest.fixture
def user() -> str:
    """Each test has an own mailbox."""
    return f"hotline-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def settings(
    config: Settings, server: Dovecot, user: str, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
    url = f"imaps://{user}@localhost:{server.port}/INBOX"
    return config.model_copy(update={"imap_url": url, "imap_password": PASSWORD})


def reading(database: Database, store: BlobStore, sealer: Sealer, settings: Settings) -> ImapReader:
    """A fresh reader, as after a restart."""
    (made,) = duties(database, store, sealer, settings)
    assert isinstance(made, ImapReader)
    return made


@pytest.fixture
def reader(
    database: Database, store: BlobStore, sealer: Sealer, settings: Settings
) -> Iterator[ImapReader]:
    made = reading(database, store, sealer, settings)
    yield made
    made._hang_up()


@pytest.fixture
def mailbox(server: Dovecot, user: str) -> Iterator[imaplib.IMAP4_SSL]:
    """The same mailbox in a person's mail program."""
    made = server.client(user)
    yield made
    made.logout()


def mail(
    *sounds: bytes, message_id: str | None = "<one@pbx>", age: timedelta = timedelta(hours=1)
) -> EmailMessage:
    """A mail as Asterisk sends it."""
    made = EmailMessage()
    sent = datetime.now(UTC) - age
    said = sent.astimezone(ZoneInfo("Asia/Shanghai")).strftime("%A, %B %d, %Y at %I:%M:%S %p")
    made["From"] = "Asterisk PBX <asterisk@pbx.example>"
    made["To"] = "hotline@example.org"
    made["Subject"] = "[PBX]: New message 3 in mailbox 1001"
    made["Date"] = format_datetime(sent)
    if message_id is not None:
        made["Message-ID"] = message_id
    made.set_content(
        "Dear Hotline:\n\n\tJust wanted to let you know you were just left a 0:01 long message "
        f'(number 3)\nin mailbox 1001 from "Wang" <{NUMBER}>, on {said}, so you might\n'
        "want to check it when you get a chance.  Thanks!\n"
    )
    for place, content in enumerate(sounds):
        made.add_attachment(content, "audio", "x-wav", filename=f"msg{place:04d}.wav")
    return made


def put(mailbox: imaplib.IMAP4_SSL, made: EmailMessage | bytes, flags: str = "") -> None:
    raw = made if isinstance(made, bytes) else made.as_bytes()
    assert mailbox.append("INBOX", flags, "", raw)[0] == "OK"


def unread(mailbox: imaplib.IMAP4_SSL) -> int:
    mailbox.select("INBOX")
    return len(mailbox.search(None, "UNSEEN")[1][0].split())


def count(mailbox: imaplib.IMAP4_SSL) -> int:
    return int(mailbox.select("INBOX")[1][0] or 0)


def until_it_fails(reader: ImapReader) -> None:
    """A connection outlives its server by a moment."""
    for _ in range(100):
        reader.run_once()
        time.sleep(0.1)


@on_both_databases
def test_a_voicemail_becomes_a_report_and_its_mail_is_read(
    reader: ImapReader, mailbox: imaplib.IMAP4_SSL, database: Database, sealer: Sealer
) -> None:
    put(mailbox, mail(sound(1)))
    assert reader.run_once() == 1
    (report,) = reports(database)
    assert report.channel == "mailbox"
    assert sealer.unseal(report.caller_sealed or "") == NUMBER
    assert utc_now() - report.received_at > timedelta(minutes=59)
    assert unread(mailbox) == 0
    assert count(mailbox) == 1


@on_both_databases
def test_the_same_mail_comes_in_once_across_restarts_and_copies(
    reader: ImapReader,
    mailbox: imaplib.IMAP4_SSL,
    database: Database,
    store: BlobStore,
    sealer: Sealer,
    settings: Settings,
) -> None:
    same = mail(sound(1), sound(2))
    put(mailbox, same)
    reader.run_once()
    put(mailbox, same)
    reader.run_once()
    mailbox.select("INBOX")
    mailbox.store("1:*", "-FLAGS", r"(\Seen)")
    again = reading(database, store, sealer, settings)
    again.run_once()
    again._hang_up()
    assert len(reports(database)) == 2
    assert unread(mailbox) == 0


def test_a_mail_somebody_has_opened_already_is_not_lost(
    reader: ImapReader, mailbox: imaplib.IMAP4_SSL, database: Database
) -> None:
    put(mailbox, mail(sound(1)), r"(\Seen)")
    reader.run_once()
    assert len(reports(database)) == 1


def test_one_message_id_for_all_mails_costs_no_voice(
    reader: ImapReader, mailbox: imaplib.IMAP4_SSL, database: Database
) -> None:
    put(mailbox, mail(sound(1), age=timedelta(hours=2)))
    put(mailbox, mail(sound(2), age=timedelta(hours=1)))
    reader.run_once()
    assert len(reports(database)) == 2


def test_a_mail_without_message_id_comes_in_once(
    reader: ImapReader, mailbox: imaplib.IMAP4_SSL, database: Database
) -> None:
    same = mail(sound(1), message_id=None)
    put(mailbox, same)
    put(mailbox, same)
    reader.run_once()
    assert len(reports(database)) == 1


def test_thirty_attachments_are_thirty_reports(
    reader: ImapReader, mailbox: imaplib.IMAP4_SSL, database: Database
) -> None:
    put(mailbox, mail(*(sound(seed, 0.2) for seed in range(30))))
    reader.run_once()
    assert len(reports(database)) == 30


def test_a_mail_half_taken_in_goes_on_where_it_stopped(
    reader: ImapReader,
    mailbox: imaplib.IMAP4_SSL,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(mailbox, mail(sound(1), sound(2), sound(3)))
    real, calls = Entering.enter, []

    def fails_at_the_second(self: Entering, voicemail: object) -> int:
        calls.append(1)
        if len(calls) == 2:
            raise Away("gone")
        return real(self, voicemail)  # type: ignore[arg-type]

    monkeypatch.setattr(Entering, "enter", fails_at_the_second)
    with pytest.raises(Away):
        reader.run_once()
    assert unread(mailbox) == 1
    reader.run_once()
    assert len(reports(database)) == 3
    assert unread(mailbox) == 0


def fails_for(monkeypatch: pytest.MonkeyPatch, subject: str) -> list[str]:
    """Let reading fail for mails of that subject; the subjects that were tried."""
    real, tried = mails.read, []

    def read(raw: bytes, zone: ZoneInfo) -> mails.Mail:
        found = message_from_bytes(raw)["Subject"]
        tried.append(found)
        if found == subject:
            raise AttributeError("no program thinks of every mail")
        return real(raw, zone)

    monkeypatch.setattr(mails, "read", read)
    return tried


def test_a_mail_that_fails_waits_alone(
    reader: ImapReader,
    mailbox: imaplib.IMAP4_SSL,
    database: Database,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad = mail(sound(1), message_id="<bad@pbx>")
    bad.replace_header("Subject", "bad")
    put(mailbox, bad)
    put(mailbox, mail(sound(2)))
    tried = fails_for(monkeypatch, "bad")
    reader.run_once()
    assert len(reports(database)) == 1
    assert condition.look(settings) == {"imap": "mail"}
    put(mailbox, mail(sound(3), message_id="<three@pbx>"))
    reader.run_once()
    assert len(reports(database)) == 2
    assert tried.count("bad") == 1
    monkeypatch.undo()
    monkeypatch.setattr(reader, "_patience", Patience([0.0]))
    reader.run_once()
    assert len(reports(database)) == 3
    assert condition.look(settings) == {"imap": "ok"}


def test_a_mail_that_breaks_the_line_does_not_keep_the_others_out(
    reader: ImapReader,
    mailbox: imaplib.IMAP4_SSL,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(mailbox, mail(sound(1), message_id="<bad@pbx>"))
    put(mailbox, mail(sound(2)))
    take = ImapReader._take

    def breaks(self: ImapReader, server: imaplib.IMAP4_SSL, head: imap.Head) -> int | None:
        if head.uid == 1:
            raise imaplib.IMAP4.abort("the server closed the line")
        return take(self, server, head)

    monkeypatch.setattr(ImapReader, "_take", breaks)
    monkeypatch.setattr(reader, "_patience", Patience([0.0]))  # due again at every look
    for _ in range(2):
        with pytest.raises(CannotRead):
            reader.run_once()
    assert len(reports(database)) == 1


@pytest.mark.parametrize(
    ("error", "rounds_that_fail"),
    [(imaplib.IMAP4.error("no such thing"), 1), (imaplib.IMAP4.abort("the line is closed"), 2)],
    ids=["refused", "breaks the line"],
)
def test_a_mail_whose_head_is_never_given_does_not_keep_the_others_out(
    reader: ImapReader,
    mailbox: imaplib.IMAP4_SSL,
    database: Database,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    rounds_that_fail: int,
) -> None:
    put(mailbox, mail(sound(1), message_id="<bad@pbx>"))
    put(mailbox, mail(sound(2)))
    give = imaplib.IMAP4_SSL.uid

    def gives(self: imaplib.IMAP4_SSL, command: str, *asked: str) -> object:
        if command == "FETCH" and "HEADER" in asked[1] and "1" in asked[0].split(","):
            raise error
        return give(self, command, *asked)

    monkeypatch.setattr(imaplib.IMAP4_SSL, "uid", gives)
    for _ in range(rounds_that_fail):
        with pytest.raises(CannotRead):
            reader.run_once()
    assert reader.run_once() == 1
    assert len(reports(database)) == 1
    assert condition.look(settings) == {"imap": "mail"}


@pytest.mark.parametrize(
    ("name", "why"),
    [("winmail.dat", mails.OUTLOOK), ("letter.pdf", mails.NO_SOUND), (None, mails.NO_SOUND)],
)
def test_a_mail_without_sound_is_noted_once_and_stays_unread(
    reader: ImapReader,
    mailbox: imaplib.IMAP4_SSL,
    database: Database,
    name: str | None,
    why: str,
) -> None:
    made = mail()
    if name:
        made.add_attachment(b"\x78\x9f\x3e\x22", "application", "octet-stream", filename=name)
    put(mailbox, made)
    for _ in range(2):
        reader.run_once()
    (row,) = messages(database)
    assert row.report_id is None
    assert row.note == why
    assert unread(mailbox) == 1
    assert reports(database) == []


def test_a_mail_larger_than_we_read_is_noted_and_stays(
    reader: ImapReader, mailbox: imaplib.IMAP4_SSL, database: Database
) -> None:
    reader._largest_bytes = 10_000
    put(mailbox, mail(sound(1)))
    put(mailbox, mail(sound(2, 0.1), message_id="<two@pbx>"))
    reader.run_once()
    assert messages(database)[0].note == mails.TOO_LARGE
    assert len(reports(database)) == 1
    assert unread(mailbox) == 1


def test_the_same_voice_by_mail_and_by_folder_is_one_report(
    reader: ImapReader,
    mailbox: imaplib.IMAP4_SSL,
    database: Database,
    store: BlobStore,
    sealer: Sealer,
    settings: Settings,
) -> None:
    folder = settings.data_dir / "voicemail"
    leave(folder / "default" / "1001" / "INBOX", 0, sound(1), text())
    both = settings.model_copy(update={"voicemail_folder": folder})
    put(mailbox, mail(sound(1)))
    reader.run_once()
    for duty in duties(database, store, sealer, both):
        duty.run_once()
    assert len(reports(database)) == 1


def test_a_wrong_password_is_a_problem_that_ends(
    reader: ImapReader, database: Database, store: BlobStore, sealer: Sealer, settings: Settings
) -> None:
    wrong = settings.model_copy(update={"imap_password": "wrong"})
    with pytest.raises(CannotRead, match="login"):
        reading(database, store, sealer, wrong).run_once()
    assert condition.look(settings) == {"imap": "login"}
    reader.run_once()
    assert condition.look(settings) == {"imap": "ok"}


def test_a_server_we_cannot_verify_gets_no_password(
    reader: ImapReader, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    asked: list[object] = []
    monkeypatch.setattr(imaplib.IMAP4_SSL, "login", lambda *said: asked.append(said))
    with pytest.raises(CannotRead, match="tls"):
        reader.run_once()
    assert asked == []


def test_a_server_that_is_away_comes_back(
    reader: ImapReader, server: Dovecot, settings: Settings, database: Database, user: str
) -> None:
    reader.run_once()
    server.stop()
    try:
        with pytest.raises(CannotRead):
            until_it_fails(reader)
        with pytest.raises(CannotRead, match="unreachable"):
            reader.run_once()
        assert condition.look(settings) == {"imap": "unreachable"}
    finally:
        server.start()
    again = server.client(user)
    put(again, mail(sound(1)))
    again.logout()
    reader.run_once()
    assert len(reports(database)) == 1


def test_a_folder_with_a_chinese_name_is_read(
    database: Database,
    store: BlobStore,
    sealer: Sealer,
    settings: Settings,
    mailbox: imaplib.IMAP4_SSL,
) -> None:
    url = settings.imap_url.removesuffix("INBOX") + "%E8%AF%AD%E9%9F%B3%26"
    assert mailbox.create(quoted("语音&"))[0] == "OK"
    assert mailbox.append(quoted("语音&"), "", "", mail(sound(1)).as_bytes())[0] == "OK"
    made = reading(database, store, sealer, settings.model_copy(update={"imap_url": url}))
    made.run_once()
    made._hang_up()
    assert len(reports(database)) == 1
    assert quoted("语音") == '"&i+2X8w-"'


def test_a_folder_that_is_not_there_is_a_problem(
    database: Database, store: BlobStore, sealer: Sealer, settings: Settings
) -> None:
    url = settings.imap_url.replace("INBOX", "Nowhere")
    with pytest.raises(CannotRead, match="no_folder"):
        reading(database, store, sealer, settings.model_copy(update={"imap_url": url})).run_once()


@pytest.mark.parametrize(
    "url", ["imap://u@h/INBOX", "imaps://h/INBOX", "nonsense", "imaps://u@h:x/"]
)
def test_an_address_without_tls_or_user_is_refused(
    database: Database, store: BlobStore, sealer: Sealer, settings: Settings, url: str
) -> None:
    with pytest.raises(CannotRead, match="address"):
        reading(database, store, sealer, settings.model_copy(update={"imap_url": url})).run_once()


def test_pauses_after_failures_grow(
    database: Database,
    store: BlobStore,
    sealer: Sealer,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = settings.model_copy(update={"imap_password": "wrong"})
    made, waits = reading(database, store, sealer, wrong), []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout)
            if len(waits) == 3:
                self.set()
            return self.is_set()

    made._stop = Stop()
    made.run_forever()
    assert waits == [30.0, 60.0, 120.0]
