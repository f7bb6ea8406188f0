"""sippy, with its habits mended. Import sippy's parts from here only, never before this module.

sippy prints a traceback and the whole packet for each bad one, drops messages that are not UTF-8,
leaves UPDATE and PRACK unanswered and fails on changed offers without a description.
"""

from __future__ import annotations

import io
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import sippy.Core.Exceptions

from hotline.sip.gate import Gate

counts: Counter[str] = Counter()
"""What was wrong since the last report: "malformed", "unheard", "printed"."""


def _count(_message: str, *_arguments: object, **_more: object) -> None:
    counts["malformed"] += 1


sippy.Core.Exceptions.dump_exception = _count  # every other part of sippy copies this name

from sippy.CCEvents import (  # noqa: E402
    CCEventConnect,
    CCEventDisconnect,
    CCEventFail,
    CCEventInfo,
    CCEventPreConnect,
    CCEventRedirect,
    CCEventRing,
    CCEventTry,
    CCEventUpdate,
)
from sippy.Core.EventDispatcher import ED2  # noqa: E402
from sippy.MsgBody import MsgBody  # noqa: E402
from sippy.SipAddress import SipAddress  # noqa: E402
from sippy.SipCallId import SipCallId  # noqa: E402
from sippy.SipConf import SipConf  # noqa: E402
from sippy.SipContact import SipContact  # noqa: E402
from sippy.SipExpires import SipExpires  # noqa: E402
from sippy.SipFrom import SipFrom  # noqa: E402
from sippy.SipHeader import SipHeader  # noqa: E402
from sippy.SipRequest import SipRequest  # noqa: E402
from sippy.SipRoute import SipRoute  # noqa: E402
from sippy.SipTo import SipTo  # noqa: E402
from sippy.SipTransactionManager import SipTransactionManager  # noqa: E402
from sippy.SipURL import SipURL  # noqa: E402
from sippy.Time.Timeout import Timeout  # noqa: E402
from sippy.UA import UA  # noqa: E402

__all__ = [
    "ED2",
    "UA",
    "CCEventConnect",
    "CCEventDisconnect",
    "CCEventFail",
    "CCEventInfo",
    "CCEventPreConnect",
    "CCEventRedirect",
    "CCEventRing",
    "CCEventTry",
    "CCEventUpdate",
    "MsgBody",
    "Refusal",
    "SipAddress",
    "SipCallId",
    "SipConf",
    "SipContact",
    "SipExpires",
    "SipFrom",
    "SipHeader",
    "SipRequest",
    "SipTo",
    "SipURL",
    "Timeout",
    "TransactionManager",
    "counts",
    "dialog_of",
    "goodbye",
    "swallow_prints",
    "tags_of",
]

METHODS = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO")


class _Sink(io.TextIOBase):
    def write(self, text: str) -> int:
        counts["printed"] += 1
        return len(text)


def swallow_prints() -> None:
    """Count what sippy prints from now on instead of letting callers fill the log."""
    sys.stdout = _Sink()


Refusal = tuple[Any, ...]
"""A final answer: code, reason, then headers."""


class TransactionManager(SipTransactionManager):  # type: ignore[misc]
    """sippy's, behind a gate.

    ``screen`` sees each request that could begin something before sippy keeps anything of it, and
    returns the final answer to it, or None when sippy is to go on.
    """

    def __init__(
        self,
        config: dict[str, Any],
        on_request: Any,
        gate: Gate,
        screen: Callable[[Any], Refusal | None],
    ) -> None:
        self.model_udp_server[1].nworkers = 1  # three readers on one socket reorder messages
        self._gate = gate
        self._screen = screen
        super().__init__(config, on_request)

    def handleIncoming(self, data: bytes, source: Any, server: Any, rtime: Any) -> None:
        """Every datagram passes here first."""
        if not self._gate.admits(data, source.address[0]):
            counts["unheard"] += 1
            return
        try:
            data.decode()
        except UnicodeDecodeError:
            data = data.decode("latin-1").encode()
        super().handleIncoming(data, source, server, rtime)

    def incomingRequest(self, request: Any, checksum: Any, tids: Any, server: Any) -> None:
        """Answer what sippy would not, and what must leave nothing behind."""
        refusal: Refusal | None = None
        if request.getMethod() == "INVITE" and _tag(request) is not None:
            if request.getBody() is None:
                refusal = 488, "Not Acceptable Here"
        elif request.getMethod() not in ("ACK", "CANCEL") and not self._has_begun(request):
            try:
                refusal = self._screen(request)
            except Exception:  # a caller's nonsense must not stay half answered
                counts["malformed"] += 1
                refusal = 400, "Bad Request"
        if refusal is None:
            super().incomingRequest(request, checksum, tids, server)
        else:
            self._answer(request, checksum, server, *refusal)

    def _has_begun(self, request: Any) -> bool:
        return request.getTId(wBRN=True) in self.tserver

    def _answer(
        self, request: Any, checksum: Any, server: Any, code: int, reason: str, *headers: str
    ) -> None:
        response = request.genResponse(code, reason)
        for header in headers:
            response.appendHeader(SipHeader(header))
        to = response.getHFBody("to")
        if to.getTag() is None:
            to.genTag()
        self.transmitMsg(server, response, response.getHFBody("via").getTAddr(), checksum)

    def incomingResponse(self, response: Any, transaction: Any, checksum: Any) -> None:
        """Keep what we send within a call of ours at the addresses that may hear us.

        The far end may name any address, even a host name, as its contact or on its route.
        """
        source = response.getSource()
        for contact in response.getHFBodys("contact") if response.getSCode()[0] < 300 else ():
            if not contact.asterisk and not self._reachable(contact.getUrl(), source):
                contact.getUrl().host, contact.getUrl().port = source
        for header in response.getHFs("record-route"):
            if not self._reachable(header.getBody().getUrl(), source):
                response.removeHeader(header)
        super().incomingResponse(response, transaction, checksum)

    def _reachable(self, url: Any, source: Any) -> bool:
        return url.host == source[0] or self._gate.knows(str(url.host))


def dialog_of(ua: Any) -> dict[str, Any]:
    """What a later process needs to end an answered call of this one; goes through JSON."""
    return {
        "call_id": str(ua.cId),
        "local": str(ua.lUri),
        "remote": str(ua.rUri),
        "target": str(ua.rTarget),
        "routes": [str(route) for route in ua.routes],
        "address": list(ua.rAddr[0]),
        "sequence": int(ua.lCSeq),
    }


def goodbye(dialog: dict[str, Any]) -> Any:
    """A BYE for a call that another process answered. ValueError and KeyError on nonsense."""
    host, port = dialog["address"]
    return SipRequest(
        method="BYE",
        ruri=SipURL(dialog["target"]),
        to=_parsed(SipTo(dialog["remote"])),
        fr0m=_parsed(SipFrom(dialog["local"])),
        cseq=int(dialog["sequence"]),
        callid=SipCallId(dialog["call_id"]),
        routes=[_parsed(SipRoute(route)) for route in dialog["routes"]],
        target=((str(host), int(port)), "udp"),
    )


def tags_of(dialog: dict[str, Any]) -> list[str]:
    """Call-ID, the caller's tag and ours: what a request of that call must show."""
    remote, local = _parsed(SipTo(dialog["remote"])), _parsed(SipFrom(dialog["local"]))
    return [str(dialog["call_id"]), str(remote.getTag()), str(local.getTag())]


def _parsed(header: Any) -> Any:
    header.parse()
    return header


def _tag(request: Any) -> str | None:
    tag: str | None = request.getHFBody("to").getTag()
    return tag
