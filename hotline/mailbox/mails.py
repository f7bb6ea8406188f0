"""A mail as it lies in the mailbox: its sounds, and what it says. Pure; bears any bytes."""

from __future__ import annotations

import email
import email.policy
import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.utils import parsedate_to_datetime
from pathlib import PurePath
from zoneinfo import ZoneInfo

from core.errors import N_
from hotline.mailbox import words

SOUND_ENDINGS = frozenset(
    "wav mp3 amr awb gsm ogg oga opus m4a mp4 3gp aac wma flac au webm".split()  # noqa: SIM905
)
OUTLOOK_BAG = "winmail.dat"
NO_SOUND = N_("There is no attachment with sound.")
EMPTY = N_("The attachment with the sound is empty or broken.")
OUTLOOK = N_("It holds a winmail.dat: the sender's Outlook has to send plain attachments.")
TOO_LARGE = N_("It is larger than what is read from a mailbox.")
KEY_HEADERS = ("message-id", "date", "from", "subject")
_LINE = re.compile(r"</?(?:br|p|div|tr|table|li|h\d)\b[^<>]{0,2000}>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,2000}>")


@dataclass(frozen=True)
class Sound:
    """One attachment with sound. ``part``: its place in the mail."""

    part: int
    content: bytes
    ending: str


@dataclass(frozen=True)
class Mail:
    """A mail that was read. ``why_silent``: why no sound was found in it, else None."""

    sounds: list[Sound]
    told: words.Told
    why_silent: str | None


def key_of(header: bytes) -> str:
    """Name of a mail for good, from its lines KEY_HEADERS.

    All four: there are systems that give each of their mails the same Message-ID. Hashed: a
    subject may hold a telephone number.
    """
    message = email.message_from_bytes(header)
    said = [str(message.get(name, "")).strip() for name in KEY_HEADERS]
    return "imap:" + hashlib.sha256("\x1f".join(said).encode(errors="replace")).hexdigest()[:40]


def read(raw: bytes, zone: ZoneInfo) -> Mail:
    """Take a mail apart; never raises for a broken one."""
    message = email.message_from_bytes(raw, policy=email.policy.compat32)
    parts = [part for part in message.walk() if not part.is_multipart()]
    sounds = []
    for place, part in enumerate(parts):
        ending = _sound_ending(part)
        content = _content(part) if ending is not None else b""
        if ending is not None and content:
            sounds.append(Sound(place, content, ending))
    headers = {name.lower(): _header(value) for name, value in message.items()}
    told = words.of_mail(headers, headers.get("subject", ""), _text(parts), _sent_at(headers), zone)
    return Mail(sounds, told, None if sounds else _why_silent(parts))


def _sound_ending(part: Message) -> str | None:
    ending = PurePath(_file_name(part)).suffix.lower().lstrip(".")
    if part.get_content_maintype() == "audio":
        return ending if ending in SOUND_ENDINGS else "sound"
    return ending if ending in SOUND_ENDINGS else None


def _file_name(part: Message) -> str:
    with suppress(MessageError, ValueError, LookupError, TypeError):
        return _header(part.get_filename() or "").strip()
    return ""


def _content(part: Message) -> bytes:
    with suppress(MessageError, ValueError, LookupError, TypeError, AssertionError):
        content = part.get_payload(decode=True)
        return content if isinstance(content, bytes) else b""
    return b""


def _why_silent(parts: list[Message]) -> str:
    names = [_file_name(part).lower() for part in parts]
    if OUTLOOK_BAG in names or any(p.get_content_type() == "application/ms-tnef" for p in parts):
        return OUTLOOK
    if any(_sound_ending(part) is not None for part in parts):
        return EMPTY
    return NO_SOUND


def _header(value: object) -> str:
    text = str(value)
    with suppress(MessageError, ValueError, LookupError):
        pieces = [
            piece if isinstance(piece, str) else _decoded(piece, charset)
            for piece, charset in decode_header(text)
        ]
        return "".join(pieces)
    return text


def _text(parts: list[Message]) -> str:
    """The words: plain text first, else HTML without its tags."""
    for kind in ("text/plain", "text/html"):
        for part in parts:
            if part.get_content_type() == kind and not _file_name(part):
                text = _decoded(_content(part)[: 4 * words.LONGEST_TEXT], _charset(part))
                return _TAG.sub(" ", _LINE.sub("\n", text)) if kind == "text/html" else text
    return ""


def _charset(part: Message) -> str | None:
    with suppress(MessageError, ValueError, LookupError, TypeError, AttributeError):
        return part.get_content_charset()
    return None


def _decoded(content: bytes, charset: str | None) -> str:
    for name in (charset, "utf-8", "gb18030"):
        with suppress(LookupError, ValueError):
            if name:
                return content.decode(name)
    return content.decode("utf-8", errors="replace")


def _sent_at(headers: dict[str, str]) -> datetime | None:
    with suppress(ValueError, TypeError, OverflowError, IndexError):
        sent = parsedate_to_datetime(headers.get("date", ""))
        at = sent.replace(tzinfo=UTC) if sent.tzinfo is None else sent.astimezone(UTC)
        return at if at >= words.OLDEST else None
    return None
