"""What a voicemail's mail or text file says about caller, time and length. Pure; never raises.

Systems differ in wording only: each knows a line of ``CALLER``, ``TIME`` or ``LENGTH``. The first
line that fits wins; what is implausible counts as not said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

LONGEST_TEXT = 20_000
"""Characters of a mail that are looked at."""
OLDEST_BEFORE_MAIL = timedelta(days=14)
NEWEST_AFTER_MAIL = timedelta(hours=1)
OLDEST = datetime(2000, 1, 1, tzinfo=UTC)
LONGEST_S = 24 * 3600

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_BRACKETED = re.compile(r"<\s*(?:sip:|tel:)?(\+?[\d\s().-]{3,24}?)\s*(?:@[^<>]{0,80})?>")
_BARE = re.compile(r"(?<![\w.:/-])\+?\(?\d(?:[\s()-]{0,2}\d){2,14}(?![\w:/]|\.\d)")
_SEPARATORS = re.compile(r"[\s().-]")

CALLER_HEADERS = (
    "x-asterisk-vm-caller-id-num",
    "x-asterisk-callerid",
    "x-voicemail-caller-id",
    "x-callerid",
    "x-caller-id",
)
CALLER = (
    # Asterisk, FreePBX: "… in mailbox 1001 from "Li" <138…>, on Monday, July 27, 2026 at …"
    re.compile(r"\bfrom\s+([^\n]{1,120}?),?\s+on\s+\w", re.IGNORECASE),
    # the same with other words around it
    re.compile(r"\bfrom\s+(\"[^\n\"]{0,60}\"\s?<[^\n<>]{3,40}>)", re.IGNORECASE),
    # "New voicemail from 138… in mailbox 1001", "New Voice Message from …", "Message from …"
    re.compile(
        r"\b(?:voice ?mail|message|call)\s[^\n]{0,40}?\bfrom:?\s+([^\n]{1,120})", re.IGNORECASE
    ),
    # a line of its own: "Caller ID: …", "From: …", "来电号码：…"
    re.compile(
        r"^[ \t]*(?:caller(?: ?id)?(?: number)?|calling(?: number)?|from|phone(?: number)?|"
        r"来电号码|主叫号码|来电|主叫|电话号码|来电者|呼叫方)[ \t]*[:：][ \t]*([^\n]{1,120})",
        re.IGNORECASE | re.MULTILINE,
    ),
    # "您有一条来自 138… 的语音留言"
    re.compile(r"(?:来自|收到|号码为?)[ \t]*([^\n]{1,60}?)[ \t]*(?:的|发来|给您|于)"),
)
TIME = (
    re.compile(
        r"(?P<year>20\d\d)\s?[-/.年]\s?(?P<month>\d{1,2})\s?[-/.月]\s?(?P<day>\d{1,2})日?[T\s]{0,3}"
        r"(?P<hour>\d{1,2})[:：](?P<minute>\d\d)(?:[:：](?P<second>\d\d))?"
    ),
    re.compile(
        r"(?P<name>[A-Za-z]{3,9})\.?\s(?P<day>\d{1,2}),?\s(?P<year>20\d\d)(?:,?\sat)?,?\s"
        r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d))?(?:\s?(?P<half>[AaPp])\.?[Mm])?"
    ),
    re.compile(
        r"(?P<day>\d{1,2})[\s-](?P<name>[A-Za-z]{3,9})[\s-](?P<year>20\d\d),?\s"
        r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d))?(?:\s?(?P<half>[AaPp])\.?[Mm])?"
    ),
)
LENGTH = (
    re.compile(
        r"\ba (?:(?P<minutes>\d{1,3}):)?(?P<seconds>\d{1,5})(?: second)? long\b", re.IGNORECASE
    ),
    re.compile(
        r"(?:duration|length|时长|留言长度)[ \t]*[:：][ \t]*"
        r"(?:(?P<minutes>\d{1,3})(?::|分钟?))?(?P<seconds>\d{1,5})",
        re.IGNORECASE,
    ),
)


@dataclass(frozen=True)
class Told:
    """What a message says of itself; None where it says nothing that can be used.

    ``box``: the mailbox or extension it was left in.
    """

    caller: str | None = None
    received_at: datetime | None = None
    duration_s: int | None = None
    message_id: str | None = None
    box: str | None = None


def number_in(text: str) -> str | None:
    """The telephone number in "Li <138…>", "138-1234-5678", "sip:138…@pbx"; digits, perhaps +."""
    bracketed = _BRACKETED.search(text)
    if bracketed:
        return _plain(bracketed[1])
    for found in _BARE.finditer(text):
        if number := _plain(found[0]):
            return number
    return None


def of_mail(
    headers: Mapping[str, str], subject: str, body: str, sent_at: datetime | None, zone: ZoneInfo
) -> Told:
    """Read a mail. ``headers``: lower-case name -> value. ``sent_at``: its Date, the fallback."""
    text = f"{subject}\n{body}"[:LONGEST_TEXT]
    return Told(
        caller=_caller(headers, text),
        received_at=_time(headers, text, sent_at, zone),
        duration_s=_length(headers, text),
        message_id=headers.get("x-asterisk-vm-message-id"),
        box=number_in(headers.get("x-asterisk-vm-extension", "")),
    )


def of_asterisk_text(text: str) -> Told:
    """Read a msgNNNN.txt: lines "key=value" below [message]."""
    said: dict[str, str] = {}
    for line in text[:LONGEST_TEXT].splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.lstrip().startswith(";"):
            said[key.strip().lower()] = value.strip()
    return Told(
        caller=number_in(said.get("callerid", "")),
        received_at=_epoch(said.get("origtime", "")),
        duration_s=_seconds(said.get("duration", "")),
        message_id=said.get("msg_id") or None,
        box=said.get("origmailbox", "").partition("@")[0][:40] or None,
    )


def _caller(headers: Mapping[str, str], text: str) -> str | None:
    for name in CALLER_HEADERS:
        if number := number_in(headers.get(name, "")):
            return number
    for pattern in CALLER:
        for found in pattern.finditer(text):
            if number := number_in(found[1]):
                return number
    return _sender(headers.get("from", ""))


def _sender(header: str) -> str | None:
    """A sender that is a number: "13812345678" <13812345678@pbx>."""
    name, _, address = header.partition("<")
    for part in (name.strip(' "'), address.partition("@")[0].strip()):
        number = _plain(part)
        if number is not None and len(number) >= 5 and re.fullmatch(r"[+\d\s().-]+", part):
            return number
    return None


def _plain(text: str) -> str | None:
    number = _SEPARATORS.sub("", text)
    digits = number.lstrip("+")
    is_number = digits.isascii() and digits.isdigit() and 3 <= len(digits) <= 15
    return number if is_number and number.count("+") <= 1 else None


def _time(
    headers: Mapping[str, str], text: str, sent_at: datetime | None, zone: ZoneInfo
) -> datetime | None:
    said = _epoch(headers.get("x-asterisk-vm-orig-time", ""))
    instants = [said] if said else []
    for pattern in TIME:
        instants += [at for found in pattern.finditer(text) if (at := _instant(found, zone))]
    for instant in instants:
        if (
            sent_at is None
            or sent_at - OLDEST_BEFORE_MAIL <= instant <= sent_at + NEWEST_AFTER_MAIL
        ):
            return instant
    return sent_at


def _instant(found: re.Match[str], zone: ZoneInfo) -> datetime | None:
    parts = found.groupdict()
    try:
        month = int(parts.get("month") or _MONTHS.index((parts.get("name") or "")[:3].lower()) + 1)
        hour, half = int(parts["hour"]), (parts.get("half") or "").lower()
        hour = hour % 12 + (12 if half == "p" else 0) if half else hour
        minute, second = int(parts["minute"]), int(parts["second"] or 0)
        local = datetime(
            int(parts["year"]), month, int(parts["day"]), hour, minute, second, tzinfo=zone
        )
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _length(headers: Mapping[str, str], text: str) -> int | None:
    said = _seconds(headers.get("x-asterisk-vm-duration", ""))
    if said is not None:
        return said
    for pattern in LENGTH:
        if found := pattern.search(text):
            return _seconds(str(int(found["minutes"] or 0) * 60 + int(found["seconds"])))
    return None


def _seconds(text: str) -> int | None:
    plain = text.isascii() and text.isdigit() and len(text) <= 6
    return int(text) if plain and int(text) <= LONGEST_S else None


def _epoch(text: str) -> datetime | None:
    if not (text.isascii() and text.isdigit() and len(text) <= 11):
        return None
    instant = datetime.fromtimestamp(int(text), UTC)
    return instant if instant >= OLDEST else None
