"""A call we make: it rings until it is picked up or comes to nothing."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
from typing import get_args

from core.settings import Settings
from hotline.call import Undialled
from hotline.sip import access, rtp
from hotline.sip.endpoint import SipCall, Surroundings
from hotline.sip.sdp import Offer
from hotline.sip.wire import Message

REASONS: tuple[Undialled, ...] = get_args(Undialled)
ANYWHERE = "198.51.100.1"
"""A documentation address (RFC 5737): asked for the way to it, the machine names its default."""


class DialledCall(SipCall):
    """Rings with ``ring``; from then on a call like any other."""

    def __init__(self, around: Surroundings, *, ours: str, number: str, remote_ip: str) -> None:
        call_id = secrets.token_hex(16)
        super().__init__(around, call_id=call_id, caller=ours, called=number, remote_ip=remote_ip)
        self._failed: Undialled | None = None

    async def ring(self, ring_s: float) -> Undialled | None:
        """Ring for at most ``ring_s`` seconds; None when somebody answered."""
        description = self._description(propose=True)
        self._send({"type": "dial", "id": self.call_id, "number": self.called, "sdp": description})
        try:
            async with asyncio.timeout(ring_s):
                await self._signalled.wait()
        except TimeoutError:
            self.network_lost("no_answer")
        except asyncio.CancelledError:
            self.network_lost("cancelled")
            raise
        return self._failed

    def picked_up(self, message: Message) -> None:
        """They answered, from ``source`` and with a description of their own."""
        if self._phase != "ringing":
            return
        self._dialog, self.tags = dict(message["dialog"]), list(message["tags"])
        try:
            offer = Offer.from_message(message["offer"])
        except (TypeError, KeyError):
            self.network_lost("unreachable")  # nothing we could talk over
            return
        self.media.peer = rtp.Peer(str(message["source"]), self._media_networks)
        self._phase = "up"
        self.acknowledged(offer)
        self.media.sending = True
        self._signalled.set()

    def ended(self, cause: str) -> None:
        if self._phase == "ringing":
            self._failed = next((known for known in REASONS if known == cause), "unreachable")
        super().ended(cause)

    def line_lost(self) -> None:
        """The signalling process that rang is gone; whom it still rings nobody can tell."""
        if self._phase == "ringing":
            self.ended("unreachable")


def way_to(number: str, settings: Settings) -> str:
    """An address on the way to ``number``, which decides the address of ours that we tell.

    A registered phone's own is not known here: the first network that may call stands for it.
    """
    allowed = access.networks(settings.sip_acl, "XIANGYIN_SIP_ACL")
    is_number = number.removeprefix("+").isdecimal()
    if is_number and settings.trunk_host:
        try:
            return str(ipaddress.IPv4Address(settings.trunk_host))
        except ValueError:
            return ANYWHERE
    return str(next(iter(allowed[0]))) if allowed else ANYWHERE
