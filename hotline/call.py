"""The contract between the dialogue and any telephone driver.

A driver turns a telephone call into a queue of ``CallEvent`` and carries out the few verbs below.
All verbs except ``answer`` and ``hang_up`` return at once; what comes of them arrives as events.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

StopReason = Literal["stopped", "silence", "limit", "hangup", "network", "disk", "unfetched"]


@dataclass(frozen=True)
class Key:
    """The caller pressed ``digit``: one of 0-9, * or #."""

    digit: str


@dataclass(frozen=True)
class PlayEnded:
    """The sounds queued under ``token`` were sent to their end (not sent after stop_playing)."""

    token: int


@dataclass(frozen=True)
class SpeechHeard:
    """While listening or recording, at least 300 ms of voice were heard for the first time."""


@dataclass(frozen=True)
class RecordingStopped:
    """A take ended. ``speech_ms`` counts voiced time by voice activity detection."""

    reason: StopReason
    duration_ms: int
    speech_ms: int


@dataclass(frozen=True)
class HungUp:
    """The call is over. cause: "hangup" (caller), "network" (no more packets), "cancel"…"""

    cause: str


_WITHHELD = ("anonymous", "unavailable", "unknown", "restricted", "withheld")


def claimed(number: str) -> str:
    """The number the network claims, without what no number has; "" when it is withheld."""
    plain = re.sub(r"[^\w+*#.-]", "", number)[:40]
    return "" if plain.lower() in _WITHHELD else plain


OnSound = Callable[[int, bytes], None]
"""Takes milliseconds since the first piece, and 16-bit samples at 8 kHz."""

CallEvent = Key | PlayEnded | SpeechHeard | RecordingStopped | HungUp


class Call(Protocol):
    """One telephone call, as the dialogue sees it."""

    call_id: str
    caller: str
    """Number the network claims, "" when withheld. Never proof of anything."""
    called: str
    streams: bool
    """Whether ``hand_out`` works on this line."""

    async def answer(self) -> None:
        """Lift the receiver. Raises nothing when the caller is gone: HungUp arrives instead."""
        ...

    async def next_event(self, timeout_s: float | None) -> CallEvent | None:
        """The next event, or None when ``timeout_s`` ran out first."""
        ...

    def play(self, sounds: Sequence[Path]) -> int:
        """Queue WAV files (8 kHz, mono, 16 bit, encoded ahead) and return a token."""
        ...

    def stop_playing(self) -> None:
        """Fall silent at once and drop what is queued."""
        ...

    def listen(self) -> None:
        """Keep what is heard from now on in memory only (at most 30 s) and report SpeechHeard."""
        ...

    def forget(self) -> None:
        """Throw away what ``listen`` kept in memory."""
        ...

    def record(
        self, take: Path, *, limit_s: float, silence_s: float, keep_heard: bool = False
    ) -> None:
        """Stream what is heard to ``take`` with a ``.part`` suffix until something ends it.

        The file is raw signed 16-bit little-endian PCM, 8 kHz, mono, fsynced every second and
        placed by RTP time stamp. ``keep_heard`` starts it with what ``listen`` kept. Ends with
        exactly one RecordingStopped; the file is then complete, fsynced and renamed to ``take``.
        """
        ...

    def stop_recording(self) -> None:
        """End the take (RecordingStopped with reason "stopped" follows)."""
        ...

    def hand_out(self, on_sound: OnSound | None) -> None:
        """Give what is heard from now on to ``on_sound``, some 0.1 s at a time; None ends it.

        Pieces lie at their place in time; what is lost on the way is silence, and so is a pause in
        which nothing arrives. Nothing is given while the caller holds the call: that is music. Only
        where ``streams`` says so, and not while ``join`` holds; RuntimeError then.
        """
        ...

    async def hang_up(self, cause: str) -> None:
        """End the call from our side; safe to call when it is over already."""
        ...

    def join(self, other: Call) -> None:
        """Let the two hear each other from now on; nothing of it is kept. ``other`` need not.

        Keys and HungUp of both go on arriving as events of each. What either plays or records
        stops. ``other`` must come from the same driver.
        """
        ...

    def part(self) -> None:
        """End what ``join`` began, on both sides; the calls themselves go on."""
        ...


Undialled = Literal["busy", "no_answer", "refused", "unreachable", "no_trunk", "cancelled", "limit"]
"""Why a number was not reached. no_trunk: nothing is configured that could dial."""


class Driver(Protocol):
    """What can reach telephones: one per telephony process."""

    async def dial(self, number: str, *, ring_s: float) -> Call | Undialled:
        """Ring ``number`` until it answers, at most ``ring_s``; the call is answered then.

        ``number`` is a telephone number (digits, leading + allowed) or the name of an account
        that registered here. Cancelling the task stops the ringing. Never raises for what the
        network does. Who calls this has checked that the number may be dialled.
        """
        ...
