"""What may come in at all: judged on the bare packet, before anything reads it.

Whoever is in the ACL, or is the trunk, is heard. Everybody else only where phones have accounts,
and then only with what can carry proof: INVITE and REGISTER. The rest gets silence.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from hotline.sip import access, refusals
from hotline.sip.bucket import Buckets

ANSWERS_PER_S, ANSWERS_BURST = 5, 50
"""Refusals and challenges for one address; a flood beyond that is not even answered."""
STRANGERS_PER_S, STRANGERS_BURST = 50, 200
"""Challenges for all unknown addresses together: senders can be forged by the thousand."""
LINES_PER_S = 1 / 60
"""Log lines for one address that gets no answer."""
ALL_LINES_PER_S, ALL_LINES_BURST = 5, 100
"""Such lines for all addresses together; the rest is only counted."""
FAILURES_PER_S, FAILURES_BURST = 1 / 60, 10
"""Wrong passwords from one address."""

_IN_DIALOG = re.compile(rb"\n(?:To|t)[ \t]*:[^\r\n]*;[ \t]*tag[ \t]*=", re.IGNORECASE)


class Gate:
    """Asked for each datagram, so it must be quick and remember little.

    ``is_peer`` tells whether an address is that of a registered phone or of a call in progress;
    ``trunk`` whether it is the trunk's.
    """

    def __init__(
        self,
        allowed: access.Networks,
        *,
        accounts: bool,
        calls_per_minute: int,
        is_peer: Callable[[str], bool],
        trunk: Callable[[str], bool],
    ) -> None:
        self._allowed = allowed
        self._accounts = accounts
        self._is_peer = is_peer
        self._trunk = trunk
        self._calls = Buckets(calls_per_minute / 60, calls_per_minute)
        self._answers = Buckets(ANSWERS_PER_S, ANSWERS_BURST)
        self._strangers = Buckets(STRANGERS_PER_S, STRANGERS_BURST, capacity=1)
        self._lines = Buckets(LINES_PER_S, 1)
        self._all_lines = Buckets(ALL_LINES_PER_S, ALL_LINES_BURST, capacity=1)
        self._failures = Buckets(FAILURES_PER_S, FAILURES_BURST)

    def knows(self, source: str) -> bool:
        """Whether ``source`` may call without a password."""
        return access.allows(self._allowed, source) or self._trunk(source)

    def admits(self, data: bytes, source: str) -> bool:
        """Whether a packet is looked at."""
        begins = data[:9]
        fresh = begins.startswith((b"INVITE ", b"REGISTER ")) and not _IN_DIALOG.search(data)
        if self.knows(source):
            if not fresh or (begins.startswith(b"INVITE ") and not self._calls.wait_s(source)):
                return True
            return self._answers.take(source) or self._silent(source, "flood")
        if not self._accounts:
            return self._silent(source, "address")
        if not fresh:
            return self._is_peer(source) or self._silent(source, "address")
        if self._answers.take(source) and self._strangers.take(""):
            return True
        return self._silent(source, "flood")

    def _silent(self, source: str, reason: refusals.Reason) -> bool:
        if self._lines.take(source) and self._all_lines.take(""):
            refusals.note(reason, source, 0)
        return False

    def take_call(self, source: str) -> float:
        """Count a call of ``source``; seconds until it may call again when it may not now."""
        wait_s = self._calls.wait_s(source)
        self._calls.take(source)
        return wait_s

    def locked_out(self, source: str) -> bool:
        """Whether ``source`` gave too many wrong passwords."""
        return self._failures.wait_s(source) > 0

    def failed(self, source: str) -> None:
        """``source`` gave a wrong password."""
        self._failures.take(source)
