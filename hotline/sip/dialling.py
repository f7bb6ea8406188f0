"""Calls we make: to a phone that registered here, or through the trunk.

Only telephony asks for them. Nothing a caller sends chooses a number: a REFER is answered 405, a
3xx is not followed, and no request names a target.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection
from typing import Any

from hotline.call import Undialled
from hotline.sip import ports, quiet_sippy, sdp
from hotline.sip.legs import Leg
from hotline.sip.quiet_sippy import (
    UA,
    CCEventConnect,
    CCEventFail,
    CCEventRedirect,
    CCEventRing,
    CCEventTry,
    MsgBody,
    SipCallId,
    SipURL,
    Timeout,
)
from hotline.sip.registrar import Contact, Registrar
from hotline.sip.rtp import Address
from hotline.sip.trunk import Trunk
from hotline.sip.wire import Message

NOBODY_THERE_S = 8
"""Not one answer, not even "trying": there is no machine at that address."""
LONGEST_RINGING_S = 180
"""Telephony gives up long before; this is for when it forgot."""
_NUMBER = re.compile(r"\+?[0-9*#]{1,32}")
_OWN_NAME = "xiangyin"
_CAUSES: dict[int, Undialled] = {
    404: "unreachable",
    408: "no_answer",
    410: "unreachable",
    480: "no_answer",
    484: "unreachable",
    486: "busy",
    487: "no_answer",
    600: "busy",
    604: "unreachable",
}


class _DialledUA(UA):  # type: ignore[misc]
    """sippy's, which also knows the address that answered last."""

    peer: Address = ("0.0.0.0", 0)

    def recvResponse(self, response: Any, transaction: Any) -> None:
        if response.source is not None:  # sippy's own 408 comes from nowhere
            self.peer = response.getSource()
        if response.getSCode()[0] in (401, 407):
            # At once sippy would send the next INVITE before the ACK of this one: some stumble.
            Timeout(super().recvResponse, 0, 1, response, transaction)
        else:
            super().recvResponse(response, transaction)


class _Try(CCEventTry):  # type: ignore[misc]
    """Sets names in the INVITE where sippy would write bare addresses."""

    def __init__(self, data: Any, arrange: Callable[[Any], None]) -> None:
        super().__init__(data)
        self.onUacSetupComplete = arrange


class Dialling:
    """Begins calls of ours and understands what becomes of them."""

    def __init__(
        self,
        config: dict[str, Any],
        host: str,
        registrar: Registrar,
        trunk: Trunk,
        accounts: Collection[str],
    ) -> None:
        self._config = config
        self._host = host
        self._registrar = registrar
        self._trunk = trunk
        self._accounts = accounts

    def dial(
        self,
        call_id: str,
        number: str,
        description: str,
        on_event: Callable[[Leg, Any], None],
        keep: Callable[[Leg], object],
    ) -> Undialled | None:
        """Ring ``number``; why not, when that is known at once.

        The leg goes to ``keep`` before anything is sent, and all that comes of it to ``on_event``.
        ``description`` is sent with the address at which whoever is rung reaches us: only here is
        known where a phone is.
        """
        if number in self._accounts:
            contact = self._registrar.find(number)
            if contact is None:
                return "unreachable"
            address, ua = contact.address, self._ua(contact.address)
            own_host = ports.local_address(self._host, address[0])
            arrange = _to_phone(contact, own_host)
        else:
            found = self._trunk_for(number)
            if isinstance(found, str):
                return found
            address, ua = found, self._ua(found, self._trunk.user, self._trunk.password)
            own_host = ports.local_address(self._host, address[0])
            arrange = _to_trunk(self._trunk)
        own_id = SipCallId()
        leg = Leg(call_id, address, (str(own_id), ua.lTag), dialled=True, ua=ua)
        ua.event_cb = lambda event, _ua: on_event(leg, event)
        keep(leg)
        shown = self._trunk.number or _OWN_NAME
        body = MsgBody(sdp.at(description, own_host))
        ua.recvEvent(_Try((own_id, shown, number, body, None, None), arrange))
        return None

    def _trunk_for(self, number: str) -> Address | Undialled:
        if not self._trunk.host:
            return "no_trunk"
        if not _NUMBER.fullmatch(number) or self._trunk.address is None:
            return "unreachable"
        return self._trunk.address

    def _ua(self, address: Address, user: str = "", password: str = "") -> Any:
        ua = _DialledUA(
            self._config,
            nh_address=address,
            username=user or None,
            password=password or None,
            expire_time=LONGEST_RINGING_S,
        )
        ua.no_reply_time = NOBODY_THERE_S
        return ua

    def progress(self, leg: Leg, event: Any) -> Message | Undialled | None:
        """What an event of an unanswered call means: news, its end, or nothing to tell."""
        if isinstance(event, CCEventRing):
            leg.heard = True
            if event.getData()[0] == 100 or leg.rung:
                return None
            leg.rung = True
            return {"type": "ringing", "id": leg.call_id}
        if isinstance(event, CCEventConnect):
            return self._picked_up(leg, event.getData()[2])
        if isinstance(event, CCEventRedirect):
            return "refused"
        if isinstance(event, CCEventFail):
            return cause_of(int(event.getData()[0]), heard=leg.heard)
        return "no_answer" if leg.heard else "unreachable"

    def _picked_up(self, leg: Leg, body: Any) -> Message | Undialled:
        try:
            offer = sdp.parse(str(body))
        except sdp.BadSdp:
            return "refused"
        leg.source = leg.ua.peer
        dialog = quiet_sippy.dialog_of(leg.ua)
        return {
            "type": "picked_up",
            "id": leg.call_id,
            "offer": dataclasses.asdict(offer),
            "source": leg.ua.peer[0],
            "dialog": dialog,
            "tags": quiet_sippy.tags_of(dialog),
        }


def cause_of(code: int, *, heard: bool) -> Undialled:
    """Why a call came to nothing that ended with ``code``."""
    if code == 408 and not heard:
        return "unreachable"
    if code in _CAUSES:
        return _CAUSES[code]
    return "unreachable" if 500 <= code < 600 else "refused"


def _to_phone(contact: Contact, own_host: str) -> Callable[[Any], None]:
    def arrange(ua: Any) -> None:
        ua.rTarget = SipURL(contact.uri)
        ua.rUri.getUrl().host = ua.lUri.getUrl().host = own_host

    return arrange


def _to_trunk(trunk: Trunk) -> Callable[[Any], None]:
    def arrange(ua: Any) -> None:
        ua.rTarget.host = ua.rUri.getUrl().host = ua.lUri.getUrl().host = trunk.host

    return arrange
