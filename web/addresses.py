"""Under which names and addresses this machine can be reached."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

from core.settings import Settings

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
_FIB = Path("/proc/net/fib_trie")
_IF_INET6 = Path("/proc/net/if_inet6")
_LOCAL = re.compile(r"\|--\s+([\d.]+)\s+/32 host LOCAL")


def machine_addresses() -> list[IpAddress]:
    """Addresses of this machine's interfaces, without loopback, IPv4 first."""
    found: set[IpAddress] = set()
    with contextlib.suppress(OSError):
        found.update(ipaddress.ip_address(text) for text in _LOCAL.findall(_FIB.read_text()))
    with contextlib.suppress(OSError):
        for line in _IF_INET6.read_text().splitlines():
            found.add(ipaddress.IPv6Address(bytes.fromhex(line.split()[0])))
    kept = [each for each in found if not (each.is_loopback or each.is_link_local)]
    return sorted(kept, key=lambda each: (each.version, not each.is_private, int(each)))


def machine_name() -> str:
    """The host name, in lower case."""
    return socket.gethostname().lower().rstrip(".")


def public_host(settings: Settings) -> str | None:
    """The host people were told to use, from public_base_url."""
    return urlsplit(settings.public_base_url).hostname if settings.public_base_url else None


def base_url(settings: Settings) -> str:
    """Address of the pages without a slash at its end: as set, else guessed from the machine."""
    if settings.public_base_url:
        return settings.public_base_url.rstrip("/")
    scheme = "http" if settings.web_tls == "off" else "https"
    usual = 80 if scheme == "http" else 443
    host: str = machine_name()
    if settings.web_host not in ("", "0.0.0.0", "::"):
        host = settings.web_host
    else:
        addresses = machine_addresses()
        if addresses:
            host = bracketed(str(addresses[0]))
    return f"{scheme}://{host}" + ("" if settings.web_port == usual else f":{settings.web_port}")


def bracketed(host: str) -> str:
    """A host as it stands in an address: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host
