"""How much one address may send within an hour, in bounded memory.

The limits are wide: behind one address of a mobile network there are many villages.
"""

from __future__ import annotations

import ipaddress
import shutil
import threading
from collections import OrderedDict
from datetime import datetime, timedelta
from pathlib import Path

from fastapi import Request

from core.clock import utc_now
from core.errors import N_, Unavailable, XiangyinError

MB = 1_000_000
MAX_ADDRESSES = 10_000
WINDOW = timedelta(hours=1)
REPORTS_AN_HOUR = 120
TAKES_AN_HOUR = 400
BYTES_AN_HOUR = 400 * MB
DISK_KEPT_FREE = 500 * MB
"""Calls are recorded on the same disk: what comes by the web leaves them room."""

FULL = N_(
    "The disk of the server is full. What you recorded stays on your telephone; "
    "send it later, or call us."
)


class TooMuch(XiangyinError):
    """This address has sent its share of the hour."""

    code = "too_much"
    http_status = 429
    retriable = True


class Allowance:
    """``most`` units for each address within an hour that begins with its first one."""

    def __init__(self, most: int, *, max_addresses: int = MAX_ADDRESSES) -> None:
        self._most = most
        self._max_addresses = max_addresses
        self._used: OrderedDict[str, tuple[datetime, int]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, address: str, amount: int = 1) -> None:
        """Use ``amount`` units; raises TooMuch, and counts nothing, when they are not left."""
        now = utc_now()
        with self._lock:
            since, used = self._used.get(address, (now, 0))
            if now - since >= WINDOW:
                since, used = now, 0
            if used + amount > self._most:
                left = since + WINDOW - now
                raise TooMuch(
                    N_("Too much came from your address. Try again in %(minutes)d minutes."),
                    params={"minutes": max(1, round(left.total_seconds() / 60))},
                )
            self._used.pop(address, None)
            while len(self._used) >= self._max_addresses:
                self._used.popitem(last=False)
            self._used[address] = (since, used + amount)


class Limits:
    """The allowances of one application."""

    def __init__(self) -> None:
        self.reports = Allowance(REPORTS_AN_HOUR)
        self.takes = Allowance(TAKES_AN_HOUR)
        self.sent_bytes = Allowance(BYTES_AN_HOUR)


_making = threading.Lock()


def limits_of(request: Request) -> Limits:
    """The limits of the application that answers ``request``."""
    state = request.app.state
    with _making:
        if not hasattr(state, "report_limits"):
            state.report_limits = Limits()
        found = state.report_limits
    assert isinstance(found, Limits)
    return found


def address_of(request: Request) -> str:
    """Who asks; of IPv6 the network, for a household has a whole one."""
    host = request.client.host if request.client else "unknown"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 4:
        return host
    return str(ipaddress.ip_network((address, 64), strict=False))


def require_room(folder: Path) -> None:
    """Unavailable when the disk of ``folder`` has no room to spare."""
    if shutil.disk_usage(folder).free < DISK_KEPT_FREE:
        raise Unavailable(FULL)
