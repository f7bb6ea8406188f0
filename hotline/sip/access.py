"""Who may call: checked before anything listens."""

from __future__ import annotations

import ipaddress

from core.errors import N_, InvalidInput
from core.settings import Settings

Networks = tuple[ipaddress.IPv4Network, ...]

LOOPBACK = ipaddress.IPv4Network("127.0.0.0/8")


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


def callers(settings: Settings) -> Networks:
    """Networks that may signal to us.

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
    if not allowed:
        raise InvalidInput(
            N_(
                "XIANGYIN_SIP_HOST is %(host)s, so others can reach the hotline: say in "
                "XIANGYIN_SIP_ACL which addresses or networks may call."
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
