"""Who may call: the settings of signalling, checked before anything listens."""

from __future__ import annotations

import ipaddress
import re

from core.errors import N_, InvalidInput
from core.settings import Settings

Networks = tuple[ipaddress.IPv4Network, ...]

LOOPBACK = ipaddress.IPv4Network("127.0.0.0/8")
SHORTEST_PASSWORD = 8
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,31}")
_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9-]+)*\.?")
_USER = re.compile(r"[A-Za-z0-9._+*#@-]{1,64}")
_NUMBER = re.compile(r"\+?[0-9]{1,20}")


def networks(text: str, setting: str) -> Networks:
    """Comma-separated addresses or networks. Raises InvalidInput that names the setting."""
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            found.append(ipaddress.IPv4Network(part, strict=False))
        except ValueError as error:
            raise InvalidInput(
                N_("%(setting)s: %(part)s is no IPv4 address or network, such as 10.1.0.0/16."),
                field=setting,
                params={"setting": setting, "part": part},
            ) from error
    return tuple(found)


def check(settings: Settings) -> None:
    """Raise InvalidInput, which names the setting, for what cannot work."""
    for name in ("sip_port", "trunk_port"):
        if not 1 <= getattr(settings, name) <= 65535:
            raise _wrong(name, N_("%(setting)s: a port is a number from 1 to 65535."))
    for name in ("call_cap", "sip_calls_per_minute"):
        if getattr(settings, name) < 1:
            raise _wrong(name, N_("%(setting)s must be at least 1, or nobody can call."))
    accounts(settings)
    _check_trunk(settings)
    callers(settings)
    media(settings)


def accounts(settings: Settings) -> dict[str, str]:
    """Passwords by name of the phones that may register."""
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in settings.sip_accounts.split(","))):
        name, _, password = part.partition(":")
        if not _NAME.fullmatch(name) or not password:
            raise _wrong(
                "sip_accounts",
                N_(
                    "%(setting)s: write name:password, name:password, … (a name has letters, "
                    "digits and . _ + -; no comma in a password)."
                ),
            )
        if len(password) < SHORTEST_PASSWORD:
            raise _wrong(
                "sip_accounts",
                N_(
                    "%(setting)s: the password of %(name)s is shorter than 8 characters; machines "
                    "guess such passwords within hours."
                ),
                name=name,
            )
        if name in found:
            raise _wrong("sip_accounts", N_("%(setting)s: %(name)s is there twice."), name=name)
        found[name] = password
    return found


def _check_trunk(settings: Settings) -> None:
    if settings.trunk_number and not _NUMBER.fullmatch(settings.trunk_number):
        raise _wrong("trunk_number", N_("%(setting)s: digits only, with or without a + before."))
    if not settings.trunk_host:
        # An Asterisk has the trunk itself, and shows our number to people it calls.
        number = () if settings.telephony == "asterisk" else ("trunk_number",)
        for name in ("trunk_user", "trunk_password", *number):
            if getattr(settings, name):
                raise _wrong(
                    name, N_("%(setting)s is set, but no trunk: set XIANGYIN_TRUNK_HOST as well.")
                )
        return
    if not _HOST.fullmatch(settings.trunk_host):
        raise _wrong(
            "trunk_host", N_("%(setting)s: write a host name or an IPv4 address, nothing else.")
        )
    if settings.trunk_user and not _USER.fullmatch(settings.trunk_user):
        raise _wrong("trunk_user", N_("%(setting)s: this is no user name of a SIP account."))
    if bool(settings.trunk_user) != bool(settings.trunk_password):
        missing = "trunk_password" if settings.trunk_user else "trunk_user"
        raise _wrong(missing, N_("%(setting)s is missing: a trunk account has both or neither."))


def callers(settings: Settings) -> Networks:
    """Networks that may signal to us without proof.

    Raises InvalidInput when the hotline would stand open: an address other than this machine's
    own demands that somebody says who may call.
    """
    allowed = networks(settings.sip_acl, "XIANGYIN_SIP_ACL")
    try:
        host = ipaddress.IPv4Address(settings.sip_host)
    except ValueError as error:
        raise InvalidInput(
            N_("XIANGYIN_SIP_HOST: %(host)s is no IPv4 address."),
            field="XIANGYIN_SIP_HOST",
            params={"host": settings.sip_host},
        ) from error
    if host in LOOPBACK:
        return allowed or (LOOPBACK,)
    if not (allowed or settings.sip_accounts.strip() or settings.trunk_host):
        raise InvalidInput(
            N_(
                "XIANGYIN_SIP_HOST is %(host)s, so others can reach the hotline: say in "
                "XIANGYIN_SIP_ACL which addresses or networks may call, in XIANGYIN_SIP_ACCOUNTS "
                "which phones, or in XIANGYIN_TRUNK_HOST which carrier."
            ),
            field="XIANGYIN_SIP_ACL",
            params={"host": settings.sip_host},
        )
    return allowed


def media(settings: Settings) -> Networks:
    """Networks beside the signalling address that may send and get call audio."""
    return networks(settings.media_networks, "XIANGYIN_MEDIA_NETWORKS")


def allows(allowed: Networks, address: str) -> bool:
    """Whether ``address`` lies in one of the networks; anything but IPv4 does not."""
    try:
        ip = ipaddress.IPv4Address(address)
    except ValueError:
        return False
    return any(ip in network for network in allowed)


def _wrong(name: str, message: str, /, **params: str) -> InvalidInput:
    setting = f"XIANGYIN_{name.upper()}"
    return InvalidInput(message, field=setting, params={"setting": setting, **params})
