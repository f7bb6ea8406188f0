"""Requests from outside: which are taken, which are refused and how."""

from __future__ import annotations

import dataclasses
import math
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any

from hotline.sip import digest, quiet_sippy, refusals, sdp
from hotline.sip.digest import Digest
from hotline.sip.gate import Gate
from hotline.sip.legs import Leg, Legs, claimed
from hotline.sip.line import TelephonyLine
from hotline.sip.quiet_sippy import Refusal
from hotline.sip.registrar import Registrar, Wish
from hotline.sip.wire import Message

RETRY_AFTER_S = 10
MISSED_AT_MOST = 60
"""Callers remembered while telephony is away, the newest ones."""
_BAD_REQUEST = 400, "Bad Request"
_FORBIDDEN = 403, "Forbidden"
_TOO_LONG_S = 1 << 31


class Incoming:
    """``begin`` is given each leg that is taken and returns sippy's object for it."""

    def __init__(
        self,
        *,
        gate: Gate,
        passwords: dict[str, str],
        registrar: Registrar,
        legs: Legs,
        line: TelephonyLine,
        cap: int,
        begin: Callable[[Leg], Any],
    ) -> None:
        self._gate = gate
        self._registers = bool(passwords)
        self._digest = Digest(passwords)
        self._registrar = registrar
        self._legs = legs
        self._line = line
        self._cap = cap
        self._begin = begin
        methods = quiet_sippy.METHODS + (("REGISTER",) if passwords else ())
        self._methods = methods
        self._missed: deque[Message] = deque(maxlen=MISSED_AT_MOST)
        self._allow = f"Allow: {', '.join(methods)}"

    # Before sippy keeps anything

    def screen(self, request: Any) -> Refusal | None:
        """The final answer to a request that begins something, None to go on with it."""
        method, source = request.getMethod(), request.getSource()[0]
        if method not in self._methods:
            return 405, "Method Not Allowed", self._allow
        if request.getHFBody("to").getTag() is not None:
            return None
        if method == "REGISTER":
            return self._register(request)
        if method == "OPTIONS":
            return 200, "OK", self._allow, "Accept: application/sdp"
        if method != "INVITE":
            return None
        account = "" if self._gate.knows(source) else self._proven(request)
        if not isinstance(account, str):
            return account
        request.delHFs("authorization")  # sippy would stumble over some of them
        refusal = self._without_telephony(source)
        if refusal is None:
            refusal = self._unusable(request)
            if refusal is not None:
                return refusal
            refusal = self._too_much(source)
        if refusal is None:
            request.leg = self._leg(request, account)
        else:
            self._turned_away(request, account)
        return refusal

    def _proven(self, request: Any) -> str | Refusal:
        """Name of the account whose password the sender knows, or what to answer."""
        source = request.getSource()[0]
        if self._gate.locked_out(source):
            refusals.note("locked_out", source, 403)
            return _FORBIDDEN
        headers = [str(h.body) for h in request.headers if h.name == "authorization"]
        own = next((h for h in headers if digest.parse(h).get("realm") == digest.REALM), None)
        if own is None:
            return self._challenge(source)
        verdict = self._digest.check(own, request.getMethod(), source)
        if verdict.kind == "stale":
            return self._challenge(source, stale=True)
        if verdict.kind == "wrong":
            self._gate.failed(source)
            refusals.note("password", source, 403)
            return _FORBIDDEN
        return verdict.name

    def _challenge(self, source: str, *, stale: bool = False) -> Refusal:
        challenge = self._digest.challenge(source, stale=stale)
        return 401, "Unauthorized", f"WWW-Authenticate: {challenge}"

    def _without_telephony(self, source: str) -> Refusal | None:
        if self._line.connected:
            return None
        refusals.note("no_telephony", source, 503)
        return 503, "Service Unavailable", f"Retry-After: {RETRY_AFTER_S}"

    def _unusable(self, request: Any) -> Refusal | None:
        source = request.getSource()[0]
        if request.countHFs("contact") == 0:
            refusals.note("malformed", source, 400)
            return 400, "Missing Contact"
        request.getHFBody("contact").getUrl()  # raises now rather than inside sippy
        if request.countHFs("require"):
            refusals.note("extension", source, 420)
            return 420, "Bad Extension", f"Unsupported: {request.getHFBody('require')}"
        if self._legs.has_dialog(_dialog(request)):
            refusals.note("merged", source, 482)
            return 482, "Merged Request"
        try:
            _offer(request)
        except sdp.NoCodec:
            refusals.note("codec", source, 488)
            return 488, "Not Acceptable Here", 'Warning: 304 xiangyin "PCMA, PCMU or G722 only"'
        except sdp.BadSdp:
            refusals.note("malformed", source, 400)
            return 400, "Bad Session Description"
        return None

    def _too_much(self, source: str) -> Refusal | None:
        # Not 503: a gateway would take that for the whole hotline being out of order.
        wait_s = self._gate.take_call(source)
        if wait_s > 0:
            refusals.note("rate", source, 486)
            return 486, "Busy Here", f"Retry-After: {math.ceil(wait_s)}"
        if len(self._legs) >= self._cap:
            refusals.note("cap", source, 486)
            return 486, "Busy Here", f"Retry-After: {RETRY_AFTER_S}"
        return None

    def _turned_away(self, request: Any, account: str) -> None:
        """Whoever may call here and could not get through is to be phoned back."""
        self._remember(account or claimed(request), _called(request))

    def never_answered(self, invite: Message) -> None:
        """Telephony went with this call before it had answered it."""
        self._remember(str(invite["caller"]), str(invite["called"]))

    def _remember(self, caller: str, called: str) -> None:
        message: Message = {"type": "turned_away", "caller": caller, "called": called}
        if message not in self._missed:  # who tries again and again pushes nobody out
            self._missed.append(message)
        self.tell_missed()

    def tell_missed(self) -> None:
        """Tell telephony of callers who did not get through, when it is there."""
        while self._missed and self._line.send(self._missed[0]):
            self._missed.popleft()

    # Phones that tell where they are

    def _register(self, request: Any) -> Refusal:
        account = self._proven(request)
        if not isinstance(account, str):
            return account
        source = request.getSource()[0]
        if str(request.getHFBody("to").getUrl().username or "") != account:
            refusals.note("name", source, 403)
            return _FORBIDDEN
        try:
            wish = _wish(request, account)
        except (ValueError, AttributeError):
            refusals.note("malformed", source, 400)
            return _BAD_REQUEST
        reply = self._registrar.handle(wish)
        if reply.code != 200:
            refusals.note("registration", source, reply.code)
        return reply.code, reply.reason, *reply.headers

    # What sippy then asks

    def request(self, request: Any, transaction: Any) -> Any:
        """sippy expects (response, on_cancel, on_no_ack) or None."""
        leg: Leg | None = getattr(request, "leg", None)
        if leg is not None:
            leg.ua = self._begin(leg)
            return leg.ua.recvRequest(request, transaction)
        if request.getMethod() == "BYE" and not self._stray_goodbye(request):
            return None
        return request.genResponse(481, "Call/Transaction Does Not Exist"), None, None

    def _leg(self, request: Any, account: str) -> Leg:
        offer, source = _offer(request), request.getSource()
        call_id = uuid.uuid4().hex
        invite = {
            "type": "invite",
            "id": call_id,
            "caller": account or claimed(request),
            "called": _called(request),
            "source": source[0],
            "offer": None if offer is None else dataclasses.asdict(offer),
        }
        return Leg(call_id, source, _dialog(request), invite=invite, late=offer is None)

    def _stray_goodbye(self, request: Any) -> bool:
        """A caller hangs up whom a signalling process before this one had answered.

        False while telephony, who knows the caller, is not there yet.
        """
        parties = (request.getHFBody("from"), request.getHFBody("to"))
        tags = [str(request.getHFBody("call-id")), *(str(party.getTag()) for party in parties)]
        return self._line.send({"type": "stray_goodbye", "tags": tags})


def _called(request: Any) -> str:
    return str(request.getRURI().username or "")[:80]


def _dialog(request: Any) -> tuple[str, str]:
    return str(request.getHFBody("call-id")), str(request.getHFBody("from").getTag())


def _offer(request: Any) -> sdp.Offer | None:
    """None when the caller wants us to offer. Raises BadSdp."""
    body = request.getBody()
    return None if body is None else sdp.parse(str(body))


def _wish(request: Any, account: str) -> Wish:
    contacts, everything = [], False
    for contact in request.getHFBodys("contact"):
        if contact.asterisk:
            everything = True
            continue
        url = contact.getUrl()
        if str(url.transport or "udp").lower() != "udp":
            raise ValueError("we speak UDP only")
        seconds = contact.getUri().getParam("expires")
        own = None if seconds is None else _interval(str(seconds))
        contacts.append((str(url), str(url.host), int(url.getPort()), own))
    general = None
    if request.countHFs("expires"):
        general = _interval(str(request.getHFBody("expires")))
    return Wish(
        name=account,
        source=request.getSource(),
        call_id=str(request.getHFBody("call-id")),
        sequence=int(request.getHFBody("cseq").getCSeqNum()),
        contacts=tuple(contacts),
        everything=everything,
        expires_s=general,
    )


def _interval(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise ValueError("no interval")
    return min(int(text), _TOO_LONG_S)
