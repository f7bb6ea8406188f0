"""What a villager filled in, checked; what is wrong names its field."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

from core.errors import N_, InvalidInput

CONSENT_VERSION = "web-2"
MAX_TEXT = 2000
MAX_NAME = 80
MAX_SOUND_S = 600
SPARE_S = 5
"""A recorder that stops at ten minutes stops a moment later."""
TAKE_MAX_S = 900
"""For what the page itself recorded: clocks of a telephone rest while its screen is dark."""
FIELDS = (
    "text", "phone", "confidential", "consent", "on_behalf", "resident_name", "resident_phone"
)  # fmt: skip
NO_NUMBER = N_("This is no telephone number. Use digits, or leave the field empty.")
NO_CONSENT = N_("Tick this first. Without your consent nothing is stored.")

_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,64}")
_PHONE = re.compile(r"\+?[0-9]{5,15}")
_PHONE_SPACING = re.compile(r"[\s\-()－]")


@dataclass(frozen=True)
class Sent:
    """One report as somebody sent it. ``resident_*``: whose trouble it is, when another reports."""

    text: str
    phone: str
    confidential: bool
    token: str
    on_behalf: bool
    resident_name: str
    resident_phone: str


def form_token(wish: str) -> str:
    """The form's own token, or a fresh one for a form that has none."""
    return wish if _TOKEN.fullmatch(wish) else secrets.token_urlsafe(18)


def checked(values: dict[str, str], token: str, *, has_sound: bool) -> Sent:
    """The fields named in FIELDS, trimmed; raises InvalidInput with the field to mend."""
    if not values["consent"]:
        raise InvalidInput(NO_CONSENT, field="consent")
    text = values["text"].strip()
    if not has_sound and not text:
        raise InvalidInput(N_("Record or choose a sound, or write a few words."), field="file")
    if len(text) > MAX_TEXT:
        raise InvalidInput(
            N_("The text is longer than %(limit)d characters."),
            field="text",
            params={"limit": MAX_TEXT},
        )
    on_behalf = bool(values["on_behalf"])
    return Sent(
        text=text,
        phone=phone_number(values["phone"], "phone"),
        confidential=bool(values["confidential"]),
        token=token,
        on_behalf=on_behalf,
        resident_name=values["resident_name"].strip()[:MAX_NAME] if on_behalf else "",
        resident_phone=phone_number(values["resident_phone"], "resident_phone")
        if on_behalf
        else "",
    )


def phone_number(typed: str, field: str, pattern: re.Pattern[str] = _PHONE) -> str:
    """The number without spaces and hyphens, may be empty; raises InvalidInput for no number."""
    number = _PHONE_SPACING.sub("", typed)
    if number and not pattern.fullmatch(number):
        raise InvalidInput(NO_NUMBER, field=field)
    return number
