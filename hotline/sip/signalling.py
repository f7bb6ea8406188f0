"""The signalling process: SIP by sippy on its own loop, told what to do by telephony.

Holds no sound and no decisions. Without telephony it refuses calls with 503; when telephony goes
away it hangs up.
"""

from __future__ import annotations

import dataclasses
import signal
from typing import Any

import structlog

from core.settings import Settings
from hotline.sip import access, info_keys, ports, quiet_sippy, refusals, sdp
from hotline.sip.dialling import Dialling
from hotline.sip.gate import Gate
from hotline.sip.incoming import RETRY_AFTER_S, Incoming
from hotline.sip.legs import Leg, Legs
from hotline.sip.line import TelephonyLine
from hotline.sip.quiet_sippy import (
    ED2,
    UA,
    CCEventConnect,
    CCEventDisconnect,
    CCEventFail,
    CCEventInfo,
    CCEventPreConnect,
    CCEventTry,
    CCEventUpdate,
    MsgBody,
    SipConf,
    SipHeader,
    Timeout,
)
from hotline.sip.registrar import Registrar
from hotline.sip.trunk import Registration, Trunk
from hotline.sip.wire import Message

log = structlog.get_logger(__name__)

REPORT_S = 5
GOODBYE_S = 0.4


class _NoLog:
    def write(self, *_arguments: object, **_more: object) -> None:
        """sippy wants to log every packet."""


class Signalling:
    """Everything here runs on sippy's loop; ``line`` brings and takes messages."""

    def __init__(self, settings: Settings) -> None:
        access.check(settings)
        ports.require_free(settings.sip_host, settings.sip_port)
        self._cap = settings.call_cap
        self._legs = Legs()
        passwords = access.accounts(settings)
        folder = settings.folder("hotline")
        registrar = Registrar(folder / "registrations.json", passwords)
        trunk = Trunk(settings)
        self._gate = Gate(
            access.callers(settings),
            accounts=bool(passwords),
            calls_per_minute=settings.sip_calls_per_minute,
            is_peer=lambda address: registrar.at(address) or self._legs.at(address),
            trunk=trunk.at,
        )
        self._line = TelephonyLine(
            settings,
            lambda message: ED2.callFromThread(self._told, message),
            lambda: ED2.callFromThread(self._telephony_gone),
        )
        self._incoming = Incoming(
            gate=self._gate,
            passwords=passwords,
            registrar=registrar,
            legs=self._legs,
            line=self._line,
            cap=settings.call_cap,
            begin=self._ua_for,
        )
        self._config = self._listen(settings, self._incoming)
        self._dialling = Dialling(self._config, settings.sip_host, registrar, trunk, passwords)
        send = self._config["_sip_tm"].newTransaction
        self._registration = Registration(trunk, send, folder / "trunk.json")

    def _listen(self, settings: Settings, incoming: Incoming) -> dict[str, Any]:
        SipConf.my_uaname = "Xiangyin"
        SipConf.autoconvert_tel_url = True
        wildcard = settings.sip_host == "0.0.0.0"
        config: dict[str, Any] = {
            "_sip_address": SipConf.my_address if wildcard else settings.sip_host,
            "_sip_port": settings.sip_port,
            "_sip_logger": _NoLog(),
        }
        config["_sip_tm"] = quiet_sippy.TransactionManager(
            config, incoming.request, self._gate, incoming.screen
        )
        return config

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; calls are ended politely then."""
        for number in (signal.SIGTERM, signal.SIGINT):
            ED2.regSignal(number, self._stop)
        Timeout(self._report, REPORT_S, -1)
        Timeout(self._registration.start, 0)
        self._line.start()
        ED2.loop()

    def _stop(self) -> None:
        for leg in list(self._legs.values()):
            self._end(leg, "stopped")
        self._line.close()
        Timeout(ED2.breakLoop, GOODBYE_S, 1)

    def _report(self) -> None:
        self._incoming.tell_missed()
        if quiet_sippy.counts:
            log.warning("packets of no use", **quiet_sippy.counts)
            quiet_sippy.counts.clear()

    def _ua_for(self, leg: Leg) -> Any:
        return UA(self._config, event_cb=lambda event, _ua: self._event(leg, event))

    # What sippy tells

    def _event(self, leg: Leg, event: Any) -> None:
        if isinstance(event, CCEventTry):
            self._begin(leg)
        elif isinstance(event, CCEventUpdate):
            self._changed(leg, event)
        elif isinstance(event, CCEventInfo):
            key = info_keys.key_of(str(event.getData()))
            if key is not None:
                self._tell({"type": "key", "id": leg.call_id, "digit": key})
        elif leg.dialled and not leg.answered:
            self._progressed(leg, event)
        elif isinstance(event, CCEventConnect):
            self._acknowledged(leg, event)
        elif isinstance(event, (CCEventDisconnect, CCEventFail)) and self._forget(leg):
            self._tell_ended(leg, "hangup" if leg.answered else "cancel")

    def _begin(self, leg: Leg) -> None:
        target, transport = leg.ua.rAddr
        if not self._gate.knows(str(target[0])):
            leg.ua.rAddr = (leg.source, transport)  # no look-ups, nothing sent to strangers
        self._legs[leg.call_id] = leg
        if leg.invite is not None:
            self._tell(leg.invite)

    def _changed(self, leg: Leg, event: Any) -> None:
        try:
            offer = sdp.parse(str(event.getData()))
        except sdp.BadSdp:
            leg.ua.recvEvent(CCEventFail((488, "Not Acceptable Here")))
            return
        self._tell({"type": "reinvite", "id": leg.call_id, "offer": dataclasses.asdict(offer)})

    def _acknowledged(self, leg: Leg, event: Any) -> None:
        """The ACK that answers our own offer."""
        if not leg.late:
            return
        leg.late = False
        try:
            answer = sdp.parse(str(event.getData()[2]))
        except sdp.BadSdp:
            refusals.note("codec", leg.source[0], 0)
            self._end(leg, "no answer to our offer")
            self._tell_ended(leg, "hangup")
            return
        self._tell({"type": "acked", "id": leg.call_id, "offer": dataclasses.asdict(answer)})

    def _progressed(self, leg: Leg, event: Any) -> None:
        if leg.call_id not in self._legs:
            return
        news = self._dialling.progress(leg, event)
        if isinstance(news, str):
            self._end(leg, news)
            self._tell_ended(leg, news)
        elif news is not None:
            leg.answered = news["type"] == "picked_up"
            self._tell(news)

    def _forget(self, leg: Leg) -> bool:
        return self._legs.pop(leg.call_id, None) is not None

    def _tell_ended(self, leg: Leg, cause: str) -> None:
        self._tell({"type": "ended", "id": leg.call_id, "cause": cause})

    def _tell(self, message: Message) -> None:
        if not self._line.send(message):
            self._telephony_gone()

    # What telephony tells

    def _told(self, message: Message) -> None:
        leg = self._legs.get(str(message.get("id")))
        if message["type"] == "dial":
            self._dial(message)
        elif leg is None:
            if message["type"] == "hang_up" and message.get("dialog"):
                self._end_foreign(message["dialog"])
        elif message["type"] == "answer":
            self._answer(leg, str(message["sdp"]))
        elif message["type"] == "refuse":
            self._end(leg, "refused", int(message["code"]), str(message["reason"]))
        elif message["type"] == "hang_up":
            self._end(leg, "hung up")
            if leg.dialled and not leg.answered:
                self._tell_ended(leg, "cancelled")

    def _dial(self, message: Message) -> None:
        call_id, number = str(message["id"]), str(message["number"])
        why_not: str | None = "limit"
        if len(self._legs) < self._cap:
            keep = self._legs.setdefault
            why_not = self._dialling.dial(
                call_id,
                number,
                str(message["sdp"]),
                self._event,
                lambda leg: keep(call_id, leg),
            )
        if why_not is not None:
            self._tell({"type": "ended", "id": call_id, "cause": why_not})

    def _answer(self, leg: Leg, description: str) -> None:
        lift = CCEventPreConnect if leg.late and not leg.answered else CCEventConnect
        leg.ua.recvEvent(lift((200, "OK", MsgBody(description))))
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
            if leg.invite is not None and not leg.answered:
                self._incoming.never_answered(leg.invite)
            self._end(leg, "telephony gone", 503, "Service Unavailable")

    def _end(self, leg: Leg, cause: str, code: int = 480, reason: str = "Unavailable") -> None:
        if not self._forget(leg):
            return
        if leg.answered or leg.dialled:
            leg.ua.recvEvent(CCEventDisconnect())
            return
        event = CCEventFail((code, reason))
        if code in (486, 503):
            event.extra_headers = (SipHeader(f"Retry-After: {RETRY_AFTER_S}"),)
        leg.ua.recvEvent(event)
        refusals.note("telephony", leg.source[0], code, call_id=leg.call_id, cause=cause)
