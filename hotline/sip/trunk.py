"""The carrier or gateway we call through, and our registration there."""

from __future__ import annotations

import ipaddress
import json
import random
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from core import clock
from core.files import write_durably
from core.settings import Settings
from hotline.sip.quiet_sippy import (
    SipAddress,
    SipCallId,
    SipContact,
    SipExpires,
    SipFrom,
    SipHeader,
    SipRequest,
    SipTo,
    SipURL,
    Timeout,
)

log = structlog.get_logger(__name__)

WISHED_S = 600
SHORTEST_S = 20
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2, 300
LOOK_UP_S, LOOK_UP_AGAIN_S = 300, 10
CHALLENGES_AT_MOST = 2


class Trunk:
    """Who the trunk is. A host name is looked up on a thread of its own, again and again."""

    def __init__(self, settings: Settings) -> None:
        self.host = settings.trunk_host
        self.port = settings.trunk_port
        self.user = settings.trunk_user
        self.password = settings.trunk_password
        self.number = settings.trunk_number or settings.trunk_user
        self.registers = bool(self.host and self.user and settings.trunk_register)
        self._addresses: tuple[str, ...] = ()
        if not self.host:
            return
        try:
            self._addresses = (str(ipaddress.IPv4Address(self.host)),)
        except ValueError:
            threading.Thread(target=self._look_up_forever, name="trunk name", daemon=True).start()

    @property
    def address(self) -> tuple[str, int] | None:
        """Where packets go; None without a trunk or while its name is unknown."""
        return (self._addresses[0], self.port) if self._addresses else None

    def at(self, address: str) -> bool:
        """Whether an IPv4 address is the trunk's."""
        return address in self._addresses

    def _look_up_forever(self) -> None:
        wait = threading.Event()
        while True:
            found = _look_up(self.host)
            if found and set(found) != set(self._addresses):
                log.info("trunk found", host=self.host, addresses=list(found))
                self._addresses = found
            wait.wait(LOOK_UP_S if found else LOOK_UP_AGAIN_S)


def _look_up(host: str) -> tuple[str, ...]:
    try:
        answers = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        log.warning("the trunk's name is unknown", host=host, error=str(error))
        return ()
    return tuple(dict.fromkeys(str(answer[4][0]) for answer in answers))


class Registration:
    """Keeps us registered with the trunk; belongs to sippy's loop.

    ``<data_dir>/hotline/trunk.json`` tells how it is: {"registered", "since", "code", "at"}.
    """

    def __init__(self, trunk: Trunk, send: Callable[..., Any], state: Path) -> None:
        self._trunk = trunk
        self._send = send
        self._state = state
        self._told = _read(state)
        self._known = False
        self._call_id = SipCallId()
        self._sequence = 0
        self._challenges = 0
        self._wished_s = WISHED_S
        self._pause_s = float(FIRST_PAUSE_S)

    def start(self) -> None:
        """Register now; does nothing but tidy up when the settings ask for no registration."""
        if self._trunk.registers:
            self._register()
        else:
            self._state.unlink(missing_ok=True)

    def _register(self, *, proof: Any = None) -> None:
        address = self._trunk.address
        if address is None:
            self._failed(0, "name unknown")
            return
        if proof is None:
            self._challenges = 0
        self._sequence += 1
        self._send(self._request(address, proof), self._answered)

    def _request(self, address: tuple[str, int], proof: Any) -> Any:
        own = SipURL(username=self._trunk.user, host=self._trunk.host)
        sender = SipFrom(address=SipAddress(url=own.getCopy()))
        sender.genTag()
        contact = SipContact()
        contact.address.name = None
        contact.address.url.username = self._trunk.user
        expires = SipExpires(number=self._wished_s)
        request = SipRequest(
            method="REGISTER",
            ruri=SipURL(host=self._trunk.host),
            to=SipTo(address=SipAddress(url=own)),
            fr0m=sender,
            cseq=self._sequence,
            callid=self._call_id.getCopy(),
            contact=contact,
            target=(address, "udp"),
            expires=expires,
        )
        if proof is not None:
            request.appendHeader(SipHeader(body=proof))
        return request

    def _answered(self, response: Any) -> None:
        code, reason = response.getSCode()
        if code < 200:
            return
        if code < 300:
            self._succeeded(response)
        elif code in (401, 407) and self._challenges < CHALLENGES_AT_MOST:
            self._prove(response, code)
        elif code == 423 and response.countHFs("min-expires") and self._wished_s == WISHED_S:
            self._wished_s = min(3600, max(WISHED_S, _number(response, "min-expires")))
            Timeout(self._register, 0)
        else:
            self._failed(code, str(reason))

    def _prove(self, response: Any, code: int) -> None:
        name = "www-authenticate" if code == 401 else "proxy-authenticate"
        self._challenges += 1
        for challenge in response.getHFBodys(name):
            usable, qop = challenge.supportedAlgorithm()
            if usable:
                uri = str(SipURL(host=self._trunk.host))
                user, password = self._trunk.user, self._trunk.password
                self._register(proof=challenge.genAuthHF(user, password, "REGISTER", uri, qop=qop))
                return
        self._failed(code, "no usable challenge")

    def _succeeded(self, response: Any) -> None:
        granted_s = _granted_s(response, self._wished_s)
        self._pause_s = float(FIRST_PAUSE_S)
        self._tell(True, 200)
        Timeout(self._register, max(SHORTEST_S, granted_s) * random.uniform(0.5, 0.75))

    def _failed(self, code: int, reason: str) -> None:
        self._tell(False, code, reason)
        Timeout(self._register, self._pause_s * random.uniform(0.8, 1.2))
        self._pause_s = min(LONGEST_PAUSE_S, self._pause_s * 2)

    def _tell(self, registered: bool, code: int, reason: str = "") -> None:
        now = clock.utc_now().isoformat()
        before = self._told
        changed = before.get("registered") != registered
        if changed or not self._known or (not registered and before.get("code") != code):
            say = log.info if registered else log.warning
            event = "registered with the trunk" if registered else "not registered with the trunk"
            say(event, host=self._trunk.host, code=code, why=reason)
        since = now if changed else str(before.get("since", now))
        self._known = True
        self._told = {"registered": registered, "since": since, "code": code, "at": now}
        try:
            write_durably(self._state, json.dumps(self._told).encode())
        except OSError as error:
            log.error("the trunk's state is not kept", error=str(error))


def _granted_s(response: Any, wished_s: int) -> int:
    """The shortest time of all contacts there: other phones of the account may be among them."""
    each = [str(c.getUri().getParam("expires") or "") for c in response.getHFBodys("contact")]
    granted = [int(text) for text in each if text.isascii() and text.isdigit()]
    return min(granted, default=_number(response, "expires") or wished_s)


def _number(response: Any, name: str) -> int:
    text = str(response.getHFBody(name)) if response.countHFs(name) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
