"""What may be dialled at all, and whether anything here could dial it."""

from __future__ import annotations

import re

from cryptography.exceptions import InvalidTag

from core import phone_numbers
from core.sealed import Sealer
from core.settings import Settings
from hotline.sip import access

_NUMBER = re.compile(r"\+?[0-9]{3,18}")
_CALLER = re.compile(r"[0-9]{5,12}")
_WITHOUT_ZERO = re.compile(r"(?!400|800|9[56])[3-9][0-9]{9,10}")
"""A landline of a three-digit area as some networks show it. What begins like a service stays one,
so Ningxia's 95x without its 0 does."""
_AREA_CODE = re.compile(r"^0(?:10|2[0-9]|[3-9][0-9]{2})")


def accounts(settings: Settings) -> frozenset[str]:
    """Names of the phones that may register here."""
    return frozenset(access.accounts(settings))


def is_dialable(number: str, settings: Settings) -> bool:
    """A telephone number, or the name of one of our own phones."""
    return number in accounts(settings) or _NUMBER.fullmatch(number) is not None


def may_call_back(claimed: str, settings: Settings) -> bool:
    """Whether a number that somebody merely claims may be rung by machine.

    An incoming call may show any number and a form takes any: what is forged must cost nothing and
    alarm nobody. So no short ones (emergency services), none abroad, and none that begin like the
    services and premium lines of ``uncalled_prefixes``, also behind an area code.
    """
    if claimed in accounts(settings):
        return True
    number = phone_numbers.normal(claimed)
    if _CALLER.fullmatch(number) is None or number.startswith("00"):
        return False
    if _WITHOUT_ZERO.fullmatch(number):
        number = f"0{number}"
    refused = tuple(part for part in re.split(r"[\s,]+", settings.uncalled_prefixes) if part)
    return not (number.startswith(refused) or _AREA_CODE.sub("", number).startswith(refused))


def may_call_sealed(sealed: str, sealer: Sealer, settings: Settings) -> bool:
    """``may_call_back`` of a sealed number; one that cannot be opened is found out when dialled."""
    try:
        return may_call_back(sealer.unseal(sealed), settings)
    except (InvalidTag, ValueError):
        return True


def can_dial(number: str, settings: Settings) -> bool:
    """Whether there is a road to ``number``: an account here, a trunk, an Asterisk."""
    if settings.telephony == "asterisk" or settings.trunk_host:
        return True
    return number in accounts(settings)
