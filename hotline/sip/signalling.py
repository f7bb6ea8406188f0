"""The signalling process: SIP by sippy on its own loop, told what to do by telephony.

Holds no sound and no decisions. Without telephony it refuses calls with 503; when telephony goes
away it hangs up.
"""

from __future__ import annotations

import dataclasses
import re
import signal
import uuid
from typing import Any

import structlog

from core.settings import Settings
from hotline.sip import access, ports, quiet_sippy, sdp
from hotline.sip.line import TelephonyLine
from hotline.sip.quiet_sippy import (
    ED2,
    UA,
    CCEventConnect,
    CCEventDisconnect,
    CCEventFail,
    CCEventInfo,
    CCEventTry,
    CCEventUpdate,
    MsgBody,
    SipConf,
    SipHeader,
    Timeout,
)
from hotline.sip.rtp import Address
from hotline.sip.wire import Message

log = structlog.get_logger(__name__)

RETRY_AFTER = "Retry-After: 10"
REPORT_S = 5
GOODBYE_S = 0.4
_USER = re.compile(r"(?:sips?|tel):([^@;>?\s]*)", re.IGNORECASE)
_SIGNAL = re.compile(r"(?:Signal\s*=\s*)?([0-9*#])\s*(?:$|[\r\n])")
_WITHHELD = ("anonymous", "unavailable", "unknown", "restricted", "withheld")


class _NoLog:
    def write(self, *_arguments: object, **_more: object) -> None:
        """sippy wants to log every packet."""


class _Leg:
    """One call of sippy's."""

    def __init__(self, source: Address, dialog: tuple[str, str], invite: Message) -> None:
        self.call_id: str = invite["id"]
        self.source = source
        self.dialog = dialog
        self.invite = invite
        self.answered = False
        self.ua: Any = None


class Signalling:
    """Everything here runs on sippy's loop; ``line`` brings and takes messages."""

    def __init__(self, settings: Settings) -> None:
        self._allowed = access.callers(settings)
        ports.require_free(settings.sip_host, settings.sip_port)
        self._cap = settings.call_cap
        self._legs: dict[str, _Leg] = {}
        SipConf.my_uaname = "Xiangyin"
        SipConf.autoconvert_tel_url = True
        wildcard = settings.sip_host == "0.0.0.0"
        self._config: dict[str, Any] = {
            "_sip_address": SipConf.my_address if wildcard else settings.sip_host,
            "_sip_port": settings.sip_port,
            "_sip_logger": _NoLog(),
        }
        manager = quiet_sippy.TransactionManager(self._config, self._request, self._allowed)
        self._config["_sip_tm"] = manager
        self._line = TelephonyLine(
            settings,
            lambda message: ED2.callFromThread(self._told, message),
            lambda: ED2.callFromThread(self._telephony_gone),
        )

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; calls are ended politely then."""
        for number in (signal.SIGTERM, signal.SIGINT):
            ED2.regSignal(number, self._stop)
        Timeout(self._report, REPORT_S, -1)
        self._line.start()
        ED2.loop()

    def _stop(self) -> None:
        for leg in list(self._legs.values()):
            self._end(leg, "stopped")
        self._line.close()
        Timeout(ED2.breakLoop, GOODBYE_S, 1)

    def _report(self) -> None:
        if quiet_sippy.counts:
            log.warning("packets of no use", **quiet_sippy.counts)
            quiet_sippy.counts.clear()

    # New requests

    def _request(self, request: Any, transaction: Any) -> Any:
        """Out-of-dialog requests. sippy expects (response, on_cancel, on_no_ack) or None."""
        try:
            refusal: tuple[Any, ...] | _Leg | None = self._refusal(request)
        except Exception as error:  # a caller's nonsense must not stay half answered
            quiet_sippy.counts["malformed"] += 1
            log.debug("unreadable request", error=repr(error))
            refusal = (400, "Bad Request")
        if isinstance(refusal, _Leg):
            return refusal.ua.recvRequest(request, transaction)
        if refusal is None:
            return None
        code, reason, *headers = refusal
        response = request.genResponse(code, reason)
        for header in headers:
            response.appendHeader(SipHeader(header))
        return response, None, None

    def _refusal(self, request: Any) -> tuple[Any, ...] | _Leg | None:
        """The final answer to a request, the leg that takes the call, or None: ask again."""
        method, has_tag = request.getMethod(), request.getHFBody("to").getTag() is not None
        if method == "OPTIONS":
            return 200, "OK", quiet_sippy.ALLOW, "Accept: application/sdp"
        if has_tag or method != "INVITE":
            if method == "BYE" and not self._stray_goodbye(request):
                return None
            return 481, "Call/Transaction Does Not Exist"
        if not self._line.connected:
            return 503, "Service Unavailable", RETRY_AFTER
        if request.countHFs("contact") == 0:
            return 400, "Missing Contact"
        if request.countHFs("require"):
            return 420, "Bad Extension", f"Unsupported: {request.getHFBody('require')}"
        dialog = (str(request.getHFBody("call-id")), str(request.getHFBody("from").getTag()))
        if any(leg.dialog == dialog for leg in self._legs.values()):
            return 482, "Merged Request"
        if len(self._legs) >= self._cap:
            return 486, "Busy Here", RETRY_AFTER
        if request.getBody() is None:
            return 488, "Not Acceptable Here", 'Warning: 399 xiangyin "an offer is needed"'
        try:
            offer = sdp.parse(str(request.getBody()))
        except sdp.NoCodec:
            return 488, "Not Acceptable Here", 'Warning: 304 xiangyin "PCMA or PCMU only"'
        except sdp.BadSdp:
            return 400, "Bad Session Description"
        return self._leg(request, offer, dialog)

    def _leg(self, request: Any, offer: sdp.Offer, dialog: tuple[str, str]) -> _Leg:
        source: Address = request.getSource()
        request.getHFBody("contact").getUrl()  # raises now rather than inside sippy
        invite: Message = {
            "type": "invite",
            "id": uuid.uuid4().hex,
            "caller": _claimed(request),
            "called": str(request.getRURI().username or "")[:80],
            "source": source[0],
            "offer": dataclasses.asdict(offer),
        }
        leg = _Leg(source, dialog, invite)
        leg.ua = UA(self._config, event_cb=lambda event, _ua: self._event(leg, event))
        return leg

    def _begin(self, leg: _Leg) -> None:
        target, transport = leg.ua.rAddr
        if not access.allows(self._allowed, target[0]):
            leg.ua.rAddr = (leg.source, transport)  # no look-ups, nothing sent to strangers
        self._legs[leg.call_id] = leg
        self._tell(leg.invite)

    def _stray_goodbye(self, request: Any) -> bool:
        """A caller hangs up whom a signalling process before this one had answered.

        False while telephony, who knows the caller, is not there yet.
        """
        parties = (request.getHFBody("from"), request.getHFBody("to"))
        tags = [str(request.getHFBody("call-id")), *(str(party.getTag()) for party in parties)]
        return self._line.send({"type": "stray_goodbye", "tags": tags})

    # What sippy tells

    def _event(self, leg: _Leg, event: Any) -> None:
        if isinstance(event, CCEventTry):
            self._begin(leg)
        elif isinstance(event, CCEventUpdate):
            self._changed(leg, event)
        elif isinstance(event, CCEventInfo):
            match = _SIGNAL.search(str(event.getData()))
            if match:
                self._tell({"type": "key", "id": leg.call_id, "digit": match[1]})
        elif isinstance(event, (CCEventDisconnect, CCEventFail)) and self._forget(leg):
            cause = "hangup" if leg.answered else "cancel"
            self._tell({"type": "ended", "id": leg.call_id, "cause": cause})

    def _changed(self, leg: _Leg, event: Any) -> None:
        try:
            offer = sdp.parse(str(event.getData()))
        except sdp.BadSdp:
            leg.ua.recvEvent(CCEventFail((488, "Not Acceptable Here")))
            return
        self._tell({"type": "reinvite", "id": leg.call_id, "offer": dataclasses.asdict(offer)})

    def _forget(self, leg: _Leg) -> bool:
        return self._legs.pop(leg.call_id, None) is not None

    def _tell(self, message: Message) -> None:
        if not self._line.send(message):
            self._telephony_gone()

    # What telephony tells

    def _told(self, message: Message) -> None:
        leg = self._legs.get(str(message.get("id")))
        if leg is None:
            if message["type"] == "hang_up" and message.get("dialog"):
                self._end_foreign(message["dialog"])
            return
        if message["type"] == "answer":
            self._answer(leg, str(message["sdp"]))
        elif message["type"] == "refuse":
            self._end(leg, "refused", int(message["code"]), str(message["reason"]))
        elif message["type"] == "hang_up":
            self._end(leg, "hung up")

    def _answer(self, leg: _Leg, description: str) -> None:
        leg.ua.recvEvent(CCEventConnect((200, "OK", MsgBody(description))))
        if not leg.answered and leg.ua.isConnected():
            leg.answered = True
            dialog = quiet_sippy.dialog_of(leg.ua)
            tags = quiet_sippy.tags_of(dialog)
            answered = {"type": "answered", "id": leg.call_id, "dialog": dialog, "tags": tags}
            self._tell(answered)

    def _end_foreign(self, dialog: dict[str, Any]) -> None:
        try:
            self._config["_sip_tm"].newTransaction(quiet_sippy.goodbye(dialog))
        except Exception as error:  # whatever sippy makes of another process's notes
            log.warning("a call could not be ended", error=repr(error))

    def _telephony_gone(self) -> None:
        for leg in list(self._legs.values()):
            self._end(leg, "telephony gone", 503, "Service Unavailable")

    def _end(self, leg: _Leg, cause: str, code: int = 480, reason: str = "Unavailable") -> None:
        if not self._forget(leg):
            return
        if leg.answered:
            leg.ua.recvEvent(CCEventDisconnect())
            return
        event = CCEventFail((code, reason))
        if code in (486, 503):
            event.extra_headers = (SipHeader(RETRY_AFTER),)
        leg.ua.recvEvent(event)
        log.info("call refused", call_id=leg.call_id, code=code, cause=cause)


def _claimed(request: Any) -> str:
    """The number the network claims; "" when it is withheld."""
    trusted = "p-asserted-identity"
    header = trusted if request.countHFs(trusted) else "from"
    match = _USER.search(str(request.getHFBody(header)))
    number = re.sub(r"[^\w+*#.-]", "", match[1])[:40] if match else ""
    return "" if number.lower() in _WITHHELD else number
