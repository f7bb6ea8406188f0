"""Where the phones with an account are now. Kept on disk: a restart forgets none."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import structlog

from core import clock
from core.files import write_durably
from hotline.sip.rtp import Address

log = structlog.get_logger(__name__)

SHORTEST_S, USUAL_S, LONGEST_S = 60, 600, 3600


@dataclass(frozen=True)
class Contact:
    """A phone. ``uri`` is what it calls itself, ``address`` where packets reach it."""

    uri: str
    address: Address
    call_id: str
    sequence: int
    expires_at_s: float
    """Seconds since 1970, as a restart must understand it."""


@dataclass(frozen=True)
class Wish:
    """A REGISTER of somebody who proved to be ``name``.

    ``contacts`` holds (URI, host, port, seconds or None) in order; ``everything`` is "Contact: *".
    """

    name: str
    source: Address
    call_id: str
    sequence: int
    contacts: tuple[tuple[str, str, int, int | None], ...] = ()
    everything: bool = False
    expires_s: int | None = None


@dataclass(frozen=True)
class Reply:
    """The answer to a REGISTER."""

    code: int
    reason: str
    headers: tuple[str, ...] = ()


class Registrar:
    """One contact for each account: the newest wins."""

    def __init__(self, path: Path, names: Collection[str]) -> None:
        self._path = path
        self._contacts = {n: c for n, c in _read(path).items() if n in names}

    def find(self, name: str) -> Contact | None:
        """The phone of an account, None when none is registered now."""
        contact = self._contacts.get(name)
        if contact is None or contact.expires_at_s <= _now_s():
            return None
        return contact

    def at(self, address: str) -> bool:
        """Whether a registered phone has this IPv4 address."""
        now_s = _now_s()
        return any(
            contact.address[0] == address and contact.expires_at_s > now_s
            for contact in self._contacts.values()
        )

    def handle(self, wish: Wish) -> Reply:
        """Do what a REGISTER asks for."""
        before = self._contacts.get(wish.name)
        same_phone = before is not None and wish.call_id == before.call_id
        if before is not None and same_phone and wish.sequence <= before.sequence:
            return Reply(500, "Out Of Order")
        if wish.everything:
            if wish.contacts or wish.expires_s != 0:
                return Reply(400, "Contact * Needs Expires 0")
            return self._gone(wish)
        wanted = [(c, _seconds(c[3], wish.expires_s)) for c in wish.contacts]
        staying = [(contact, seconds) for contact, seconds in wanted if seconds > 0]
        if any(seconds < SHORTEST_S for _, seconds in staying):
            return Reply(423, "Interval Too Brief", (f"Min-Expires: {SHORTEST_S}",))
        if staying:
            return self._moved(wish, *staying[-1])
        if wanted and before is not None and before.uri in [c[0] for c, _ in wanted]:
            return self._gone(wish)
        return self._shown(wish.name)

    def _moved(self, wish: Wish, contact: tuple[str, str, int, int | None], seconds: int) -> Reply:
        uri, host, port, _ = contact
        # Packets go to the address the proof came from, never to a third one. A phone that
        # listens on another port of the same address says so in its contact.
        address = (host, port) if host == wish.source[0] else wish.source
        expires_at_s = _now_s() + min(seconds, LONGEST_S)
        known = self.find(wish.name)
        self._contacts[wish.name] = Contact(uri, address, wish.call_id, wish.sequence, expires_at_s)
        if known is None or known.address != address:
            log.info("phone registered", account=wish.name, source=wish.source[0])
        self._keep()
        return self._shown(wish.name)

    def _gone(self, wish: Wish) -> Reply:
        if self._contacts.pop(wish.name, None) is not None:
            log.info("phone unregistered", account=wish.name, source=wish.source[0])
            self._keep()
        return self._shown(wish.name)

    def _shown(self, name: str) -> Reply:
        contact = self.find(name)
        if contact is None:
            return Reply(200, "OK")
        left_s = round(contact.expires_at_s - _now_s())
        return Reply(200, "OK", (f"Contact: <{contact.uri}>;expires={left_s}",))

    def _keep(self) -> None:
        now_s = _now_s()
        lasting = {
            name: dataclasses.asdict(contact)
            for name, contact in self._contacts.items()
            if contact.expires_at_s > now_s
        }
        try:
            write_durably(self._path, json.dumps(lasting).encode())
        except OSError as error:  # phones register again by themselves; calls go on
            log.error("registrations are not kept", error=str(error))


def _seconds(own: int | None, general: int | None) -> int:
    if own is not None:
        return own
    return USUAL_S if general is None else general


def _now_s() -> float:
    return clock.utc_now().timestamp()


def _read(path: Path) -> dict[str, Contact]:
    try:
        stored = json.loads(path.read_bytes())
        contacts = {
            str(name): Contact(**{**fields, "address": tuple(fields["address"])})
            for name, fields in stored.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        log.error("kept registrations are unreadable", error=repr(error))
        return {}
    latest_s = _now_s() + LONGEST_S  # a clock that jumped back must not keep one for years
    return {n: c for n, c in contacts.items() if c.expires_at_s <= latest_s}
