"""A call as signalling sees it: who, where, and sippy's object for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from hotline import call
from hotline.sip.rtp import Address
from hotline.sip.wire import Message

_USER = re.compile(r"(?:sips?|tel):([^@;>?\s]*)", re.IGNORECASE)


@dataclass(eq=False)
class Leg:
    """``dialled`` tells the calls we make from those we get."""

    call_id: str
    source: Address
    dialog: tuple[str, str]
    """Call-ID and the tag of whoever called."""
    dialled: bool = False
    invite: Message | None = None
    """What telephony is told when the call begins."""
    late: bool = False
    """We offer and the caller answers with the ACK, not the other way round."""
    heard: bool = False
    rung: bool = False
    answered: bool = False
    ua: Any = None


class Legs(dict[str, Leg]):
    """All calls by our own id."""

    def has_dialog(self, dialog: tuple[str, str]) -> bool:
        """Whether one of them came (perhaps another way) as this very call."""
        return any(leg.dialog == dialog for leg in self.values())

    def at(self, address: str) -> bool:
        """Whether an IPv4 address takes part in one of them."""
        return any(leg.source[0] == address for leg in self.values())


def claimed(request: Any) -> str:
    """The number the network claims of whoever calls; "" when it is withheld."""
    trusted = "p-asserted-identity"
    header = trusted if request.countHFs(trusted) else "from"
    match = _USER.search(str(request.getHFBody(header)))
    return call.claimed(match[1]) if match else ""
