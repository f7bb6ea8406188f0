"""Calls the hotline makes itself: what is asked for, what came of it. Plain values, no database.

Three kinds: ``bridge`` (a case or a call-back task joins its handler and its resident), ``human``
(a caller asked for a person), ``duty`` (somebody was just cheated of money: the station's duty
phone). Numbers come from the web process or from the directory it wrote, never from a key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from hotline.call import Call

Kind = Literal["bridge", "human", "duty"]
Result = Literal[
    "joined", "taken", "nobody", "caller_gone", "no_trunk", "limit", "expired", "killed"
]
"""joined: two legs spoke; taken: a duty officer pressed 1; nobody: all legs rang in vain;
caller_gone: who asked for a person hung up before anybody could really speak with them."""
Found = Result | Literal["parted"]
"""What a caller's search for a person came to. joined: they spoke and the caller hung up; parted:
they spoke and the caller is still on the line."""


CONTACT_AT_LEAST_MS = 10_000
"""Whoever speaks with a machine, or with somebody who hangs up at once, is gone before that."""

NOT_THROUGH = frozenset({"busy", "refused", "unreachable", "no_trunk", "limit"})
"""Causes by which perhaps no telephone rang at all: the line is in use, wrong or broken."""

SOONEST_RING_S = 5.0
"""Busy, refused or unanswered sooner than that is the line's word, not that of who was rung."""


@dataclass(frozen=True)
class Leg:
    """Somebody to ring. ``who`` is told in journals and pages ("user:12", "duty:3", "resident")."""

    who: str
    number: str
    name: str = ""


@dataclass
class Attempt:
    """One ringing. Instants are ISO 8601 in UTC; ``masked`` is the number with its middle hidden.

    cause: "answered" or one of ``hotline.call.Undialled``, "declined" (did not press 1),
    "machine" (who works here pressed 9: an answering machine), "unjoined" (the switch did not
    join the two). Tries one after the other that came to the same of ``NOT_THROUGH`` are one
    attempt: from the first to the last.
    """

    who: str
    masked: str
    rang_at: str
    answered_at: str | None = None
    ended_at: str | None = None
    cause: str = ""


@dataclass
class Outcome:
    """What came of one order; written durably as ``hotline/outgoing/<order_id>.json``.

    ``call_id``: the incoming call it belongs to (human, duty). ``talked_ms``: from the moment two
    legs were joined until one hung up.
    """

    order_id: str
    kind: Kind
    begun_at: str
    call_id: str | None = None
    attempts: list[Attempt] = field(default_factory=list)
    joined_at: str | None = None
    ended_at: str | None = None
    talked_ms: int = 0
    result: Result | None = None


@runtime_checkable
class JoinedByASwitch(Protocol):
    """What a ``Call`` also is when another machine joins it: that may refuse."""

    async def join_succeeded(self) -> bool:
        """Whether what ``join`` asked for last came about; returns once that is known."""
        ...


class Outgoing(Protocol):
    """What a conversation may ask of the calls we make."""

    def ring_duty(
        self, call_id: str, *, caller: str, village_code: str | None, reference_no: str | None
    ) -> None:
        """Begin to ring the duty phones, one after the other; returns at once, never raises."""
        ...

    async def find_human(self, call: Call, *, village_code: str | None) -> Found:
        """Ring the people of ``human`` duty; join the first who answers and stay to the end.

        The caller hears what the conversation plays until then. Reads the call's events
        meanwhile; "caller_gone" and "joined" mean that its HungUp was read here.
        """
        ...
