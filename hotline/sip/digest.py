"""Proof of a password without sending it: HTTP digest (RFC 2617) as SIP uses it (RFC 3261)."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

REALM = "xiangyin"
NONCE_LIFETIME_S = 300
NONCES_AT_MOST = 4096
_PARAMETER = re.compile(r'\s*([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|$)')
_HEX_COUNT = re.compile(r"[0-9a-fA-F]{8}")


@dataclass(frozen=True)
class Verdict:
    """What credentials are worth.

    stale: to be asked again (unknown, expired or used nonce); wrong: the nonce is the one this
    very address got from us, so somebody there does not know the password.
    """

    kind: Literal["accepted", "stale", "wrong"]
    name: str = ""


STALE = Verdict("stale")


def parse(header: str) -> dict[str, str]:
    """The parameters of a Digest header by lower-case name; {} for anything else."""
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() != "digest":
        return {}
    found = {}
    position, rest = 0, rest.strip()
    while position < len(rest):
        match = _PARAMETER.match(rest, position)
        if match is None:
            return {}
        quoted = match[2]
        value = match[3] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        found[match[1].lower()] = value
        position = match.end()
    return found


def response(fields: Mapping[str, str], password: str, method: str) -> str:
    """What whoever knows ``password`` answers to the challenge in ``fields``."""
    secret = _md5(f"{fields['username']}:{fields['realm']}:{password}")
    request = _md5(f"{method}:{fields['uri']}")
    if "qop" not in fields:
        return _md5(f"{secret}:{fields['nonce']}:{request}")
    numbered = f"{fields['nc']}:{fields['cnonce']}:{fields['qop']}"
    return _md5(f"{secret}:{fields['nonce']}:{numbered}:{request}")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


class Digest:
    """Asks for proof and checks it. A nonce serves one address, for a time, each count once."""

    def __init__(
        self, passwords: Mapping[str, str], *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._passwords = passwords
        self._now = now
        self._key = secrets.token_bytes(32)
        self._unknown = secrets.token_hex(16)
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._forgotten_until = -1

    def challenge(self, source: str, *, stale: bool = False) -> str:
        """The value of a WWW-Authenticate header for ``source`` (an IPv4 address)."""
        stamp = f"{int(self._now()):x}-{secrets.token_hex(6)}"
        nonce = f"{stamp}-{self._seal(stamp, source)}"
        again = ", stale=true" if stale else ""
        return f'Digest realm="{REALM}", nonce="{nonce}", algorithm=MD5, qop="auth"{again}'

    def check(self, header: str, method: str, source: str) -> Verdict:
        """Judge an Authorization header that came from ``source``."""
        fields = parse(header)
        nonce = fields.get("nonce", "")
        if not self._is_fresh(nonce, source) or not _complete(fields):
            return STALE
        name = fields["username"]
        password = self._passwords.get(name, self._unknown)
        expected = response(fields, password, method).encode()
        if not hmac.compare_digest(expected, fields["response"].lower().encode()):
            return Verdict("wrong", name)
        return Verdict("accepted", name) if self._is_new(nonce, fields) else STALE

    def _seal(self, stamp: str, source: str) -> str:
        return hmac.new(self._key, f"{stamp} {source}".encode(), "sha256").hexdigest()[:24]

    def _is_fresh(self, nonce: str, source: str) -> bool:
        stamp, _, seal = nonce.rpartition("-")
        if not hmac.compare_digest(self._seal(stamp, source).encode(), seal.encode()):
            return False
        made_s = _made_s(nonce)
        return made_s > self._forgotten_until and self._now() - made_s <= NONCE_LIFETIME_S

    def _is_new(self, nonce: str, fields: Mapping[str, str]) -> bool:
        count = int(fields["nc"], 16) if "qop" in fields else 1
        if count <= self._counts.get(nonce, 0):
            return False
        self._counts[nonce] = count
        if len(self._counts) > NONCES_AT_MOST:
            oldest, _ = self._counts.popitem(last=False)
            self._forgotten_until = max(self._forgotten_until, _made_s(oldest))
        return True


def _made_s(nonce: str) -> int:
    return int(nonce.split("-")[0], 16)


def _complete(fields: Mapping[str, str]) -> bool:
    needed = {"username", "uri", "response"}
    if "qop" in fields:
        needed |= {"nc", "cnonce"}
        if fields["qop"] != "auth" or not _HEX_COUNT.fullmatch(fields.get("nc", "")):
            return False
    algorithm = fields.get("algorithm", "MD5").upper()
    return needed <= fields.keys() and fields.get("realm") == REALM and algorithm == "MD5"
