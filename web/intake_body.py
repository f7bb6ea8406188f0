"""The body of a signed delivery: what another vendor's system says about one report."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from core.clock import utc_now
from core.errors import N_, InvalidInput
from web.body import TooLarge

MAX_TEXT = 2000
MAX_NAME = 80
MAX_REFERENCE = 60
FUTURE = timedelta(minutes=5)
OLDEST = datetime(2000, 1, 1, tzinfo=UTC)
WRITTEN_BYTES = 64_000
"""What a body may hold beside the sound."""
MB = 1_000_000
_PHONE = re.compile(r"\+?[0-9]{3,15}")


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One report as it was handed in, checked."""

    received_at: datetime
    text: str
    audio: bytes | None
    caller: str
    village_code: str | None
    resident_name: str
    resident_phone: str
    on_behalf: bool
    confidential: bool
    urgent: bool
    consent_version: str
    reference: str


def most_bytes(sound_mb: int) -> int:
    """How long a body may be: base64 makes four characters of three bytes."""
    return sound_mb * MB * 4 // 3 + WRITTEN_BYTES


def parse(body: bytes, *, sound_mb: int) -> Delivery:
    """Raises InvalidInput that names the field, TooLarge for too long a sound."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidInput(N_("The body is no JSON.")) from None
    if not isinstance(fields, dict):
        raise InvalidInput(N_("The body is no JSON."))
    if "audio_url" in fields:
        raise InvalidInput(
            N_("Sound is never fetched from an address. Send it as audio_base64."),
            field="audio_url",
        )
    if fields.get("consent") is not True:
        raise InvalidInput(
            N_("Send consent: true once the caller has agreed to recording and hand-over."),
            field="consent",
        )
    text = _text(fields, "text", MAX_TEXT)
    audio = _audio(fields.get("audio_base64"), sound_mb)
    if not text and audio is None:
        raise InvalidInput(N_("Send text or audio_base64."), field="text")
    return Delivery(
        received_at=_instant(fields.get("received_at")),
        text=text,
        audio=audio,
        caller=_number(fields, "caller"),
        village_code=_text(fields, "village_code", 12) or None,
        resident_name=_text(fields, "resident_name", MAX_NAME),
        resident_phone=_number(fields, "resident_phone"),
        on_behalf=_flag(fields, "on_behalf"),
        confidential=_flag(fields, "confidential"),
        urgent=_flag(fields, "urgent"),
        consent_version=_text(fields, "consent_version", 20),
        reference=_text(fields, "reference", MAX_REFERENCE),
    )


def _text(fields: dict[str, Any], name: str, limit: int) -> str:
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or "\x00" in value or _has_surrogates(value):
        raise InvalidInput(N_("This field must be text."), field=name)
    if len(value.strip()) > limit:
        raise InvalidInput(
            N_("The text is longer than %(limit)d characters."), field=name, params={"limit": limit}
        )
    return value.strip()


def _has_surrogates(value: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in value)


def _number(fields: dict[str, Any], name: str) -> str:
    number = re.sub(r"[\s()-]", "", _text(fields, name, 30))
    if number and not _PHONE.fullmatch(number):
        raise InvalidInput(
            N_("This is no telephone number. Use digits, or leave the field empty."), field=name
        )
    return number


def _flag(fields: dict[str, Any], name: str) -> bool:
    value = fields.get(name, False)
    if not isinstance(value, bool):
        raise InvalidInput(N_("This field must be true or false."), field=name)
    return value


def _instant(value: object) -> datetime:
    wrong = InvalidInput(
        N_("Send the time as 2026-06-01T08:00:00+08:00, not in the future."), field="received_at"
    )
    if not isinstance(value, str):
        raise wrong
    try:
        instant = datetime.fromisoformat(value)
        if instant.tzinfo is None:
            raise wrong
        instant = instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise wrong from None
    now = utc_now()
    if not OLDEST <= instant <= now + FUTURE:
        raise wrong
    return min(instant, now)


def _audio(value: object, sound_mb: int) -> bytes | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise InvalidInput(N_("This field must be text."), field="audio_base64")
    if len(value) > sound_mb * MB * 4 // 3 + 4:
        raise TooLarge(
            N_("The file is larger than %(limit_mb)d MB. Send a shorter one."),
            field="audio_base64",
            params={"limit_mb": sound_mb},
        )
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput(N_("This is no base64."), field="audio_base64") from None
