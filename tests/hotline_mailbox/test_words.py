"""What mails and text files of telephone systems say, read without ever failing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotline.mailbox import mails, words
from tests.hotline_mailbox.voicemails import CALLED_AT, NUMBER, text

TOWN = ZoneInfo("Asia/Shanghai")
SENT = datetime(2026, 7, 27, 2, 5, tzinfo=UTC)
LEFT = datetime(2026, 7, 27, 2, 0, tzinfo=UTC)  # 10:00 in the town

MAILS = {
    "asterisk": (
        "[PBX]: New message 3 in mailbox 1001",
        "Dear Li:\n\n\tJust wanted to let you know you were just left a 0:42 long message "
        f'(number 3)\nin mailbox 1001 from "Wang" <{NUMBER}>, '
        "on Monday, July 27, 2026 at 10:00:00 AM, "
        "so you might\nwant to check it when you get a chance.  Thanks!\n\n\t\t\t\t--Asterisk\n",
        42,
    ),
    "freepbx": (
        f"New voicemail from {NUMBER} in mailbox 1001",
        f"just left a 42 second long message\nin mailbox 1001 from {NUMBER}, on Monday, "
        "July 27, 2026 at 10:00:00 AM.",
        42,
    ),
    "3cx": (
        f"New Voice Message from Wang ({NUMBER})",
        "You have received a new voice message.\nReceived: 27-Jul-2026 10:00:00\nDuration: 42\n",
        42,
    ),
    "freeswitch": (
        f'Voicemail from "Wang" <{NUMBER}> 0:42',
        f'Created: Monday, July 27 2026, 10:00:00 AM\nFrom: "Wang" <{NUMBER}>\nDuration: 0:42\n',
        42,
    ),
    "labelled": (
        "Voicemail",
        "Caller ID: 138-1234-5678\nDate: 2026-07-27 10:00:00\nLength: 00:42\n",
        42,
    ),
    "chinese": (
        "您有一条新的语音留言",
        f"来电号码：{NUMBER}\n留言时间：2026年7月27日 10:00:00\n时长：42秒\n",
        42,
    ),
    "chinese sentence": (f"您有一条来自{NUMBER}的语音留言", "时间：2026/07/27 10:00\n", None),
}


@pytest.mark.parametrize("name", list(MAILS))
def test_mails_of_known_systems(name: str) -> None:
    subject, body, duration_s = MAILS[name]
    told = words.of_mail({}, subject, body, SENT, TOWN)
    assert (told.caller, told.received_at, told.duration_s) == (NUMBER, LEFT, duration_s)


def test_headers_of_the_telephone_system_count_more_than_words() -> None:
    headers = {
        "x-asterisk-callerid": "02887654321",
        "x-asterisk-vm-orig-time": str(int(LEFT.timestamp())),
        "x-asterisk-vm-duration": "9",
    }
    told = words.of_mail(headers, *MAILS["freepbx"][:2], SENT, TOWN)
    assert (told.caller, told.received_at, told.duration_s) == ("02887654321", LEFT, 9)


def test_a_sender_that_is_a_number_is_the_caller() -> None:
    told = words.of_mail(
        {"from": f'"{NUMBER}" <{NUMBER}@unity.example>'}, "Message", "", SENT, TOWN
    )
    assert told.caller == NUMBER
    assert words.of_mail({"from": "PBX 3000 <pbx@x.example>"}, "", "", SENT, TOWN).caller is None


@pytest.mark.parametrize("said", ["2025-01-01 10:00:00", "2027-07-27 10:00", "2026-13-45 99:99"])
def test_an_implausible_time_gives_way_to_the_date_of_the_mail(said: str) -> None:
    assert words.of_mail({}, "", f"Time: {said}", SENT, TOWN).received_at == SENT


@pytest.mark.parametrize(
    ("said", "number"),
    [
        (f'"Wang Er" <{NUMBER}>', NUMBER),
        (f"sip:{NUMBER}@10.0.0.1", None),
        (f"<sip:{NUMBER}@10.0.0.1>", NUMBER),
        ("+86 138 1234 5678", "+8613812345678"),
        ("(028) 8765-4321", "02887654321"),
        ('"Anonymous" <anonymous>', None),
        ("an unknown caller", None),
        ("at 10:00:00", None),
        ("1001", "1001"),
        ("", None),
    ],
)
def test_numbers_are_found(said: str, number: str | None) -> None:
    assert words.number_in(said) == number


def test_asterisks_text_file() -> None:
    told = words.of_asterisk_text(text("1780272000-0000002a", 42))
    assert told == words.Told(
        caller=NUMBER,
        received_at=datetime.fromtimestamp(CALLED_AT, UTC),
        duration_s=42,
        message_id="1780272000-0000002a",
        box="1001",
    )


@given(st.text(max_size=400), st.text(max_size=400), st.datetimes(timezones=st.just(UTC)))
def test_no_words_break_the_reader(subject: str, body: str, sent: datetime) -> None:
    told = words.of_mail({"from": subject}, subject, body, sent.replace(year=2026), TOWN)
    assert told.caller is None or told.caller.lstrip("+").isdigit()
    assert told.received_at is not None
    words.of_asterisk_text(body)


@given(
    st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True),
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 30)),
    st.sampled_from([f"{name}" for name in ("asterisk", "freepbx", "freeswitch", "chinese")]),
)
def test_any_number_and_time_come_back(number: str, local: datetime, name: str) -> None:
    at = local.replace(microsecond=0, tzinfo=TOWN)
    subject, body, _ = MAILS[name]
    said = {
        "Monday, July 27, 2026 at 10:00:00 AM": at.strftime("%A, %B %d, %Y at %I:%M:%S %p"),
        "Monday, July 27 2026, 10:00:00 AM": at.strftime("%A, %B %d %Y, %I:%M:%S %p"),
        "2026年7月27日 10:00:00": f"{at.year}年{at.month}月{at.day}日 {at:%H:%M:%S}",
        NUMBER: number,
    }
    for old, new in said.items():
        subject, body = subject.replace(old, new), body.replace(old, new)
    sent = at.astimezone(UTC) + timedelta(minutes=1)
    told = words.of_mail({}, subject, body, sent, TOWN)
    assert (told.caller, told.received_at) == (number, at.astimezone(UTC))


@given(st.binary(max_size=2000))
def test_no_bytes_break_the_reading_of_mails(raw: bytes) -> None:
    mails.read(raw, TOWN)
    assert mails.key_of(raw).startswith("imap:")


@given(st.binary(max_size=200), st.sampled_from(["utf-8", "gb18030", "nonsense", "utf-16"]))
def test_a_broken_character_set_costs_no_sound(body: bytes, charset: str) -> None:
    raw = (
        b"From: =?%s?B?////?= <a@b>\r\nSubject: =?nonsense?Q?=FF?=\r\nDate: never\r\n"
        b"Content-Type: multipart/mixed; boundary=B\r\n\r\n"
        b"--B\r\nContent-Type: text/plain; charset=%s\r\n\r\n%s\r\n"
        b"--B\r\nContent-Type: audio/x-wav; name*=utf-8''%%E7%%95.wav\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\nUklGRg==\r\n--B--\r\n"
    ) % (charset.encode(), charset.encode(), body.replace(b"--B", b""))
    assert [sound.content for sound in mails.read(raw, TOWN).sounds] == [b"RIFF"]


def test_sounds_are_known_by_type_or_by_name_also_in_a_forwarded_mail() -> None:
    inner = EmailMessage()
    inner.set_content("see below")
    inner.add_attachment(b"one", "application", "octet-stream", filename="留言.AMR")
    inner.add_attachment(b"two", "audio", "gsm")
    inner.add_attachment(b"%PDF", "application", "pdf", filename="letter.pdf")
    outer = EmailMessage()
    outer.set_content("fwd")
    outer.add_attachment(inner)
    found = mails.read(outer.as_bytes(), TOWN)
    assert [(sound.content, sound.ending) for sound in found.sounds] == [
        (b"one", "amr"),
        (b"two", "sound"),
    ]


def test_words_in_html_alone_are_read() -> None:
    made = EmailMessage()
    made.set_content(f"<p>来电号码：<b>{NUMBER}</b></p>", subtype="html", charset="gb18030")
    assert mails.read(made.as_bytes(), TOWN).told.caller == NUMBER
