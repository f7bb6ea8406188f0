"""A call we make: it rings until it is picked up or comes to nothing."""

from __future__ import annotations

import asyncio
import secrets
from typing import get_args

from hotline.call import Undialled
from hotline.sip import ports, rtp
from hotline.sip.endpoint import SipCall, Surroundings
from hotline.sip.sdp import NOWHERE, Offer
from hotline.sip.wire import Message

REASONS: tuple[Undialled, ...] = get_args(Undialled)


class DialledCall(SipCall):
    """Rings with ``ring``; from then on a call like any other."""

    def __init__(self, around: Surroundings, *, ours: str, number: str) -> None:
        call_id = secrets.token_hex(16)
        super().__init__(around, call_id=call_id, caller=ours, called=number, remote_ip=NOWHERE)
        self._bound_host = around.host
        self._failed: Undialled | None = None

    async def ring(self, ring_s: float) -> Undialled | None:
        """Ring for at most ``ring_s`` seconds; None when somebody answered.

        Where they are, and so at which address they reach us, signalling knows and writes.
        """
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
        source = str(message["source"])
        self._address = ports.local_address(self._bound_host, source)
        self.media.peer = rtp.Peer(source, self._media_networks)
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
