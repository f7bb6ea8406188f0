"""What Asterisk tells over its WebSocket, as plain values (ARI events; pure, no I/O)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hotline.call import Undialled, claimed
from hotline.sip.rtp import KEYS

DIALLED = "dialled"
"""Argument of the calls we make, so that they are told apart from callers."""


@dataclass(frozen=True)
class Listening:
    """The line to Asterisk stands; what happened before is not told."""


@dataclass(frozen=True)
class Entered:
    """A channel is ours now: somebody calls, or (``dialled``) somebody answered."""

    channel: str
    caller: str
    called: str
    dialled: bool


@dataclass(frozen=True)
class HangingUp:
    """The other side ends the call; ``cause`` (Q.850) is told here and not at the end."""

    channel: str
    cause: int


@dataclass(frozen=True)
class Gone:
    """A channel is over; ``cause`` is its Q.850 code, 0 when none is told."""

    channel: str
    cause: int


@dataclass(frozen=True)
class Pressed:
    channel: str
    digit: str


@dataclass(frozen=True)
class Talking:
    """Speech began on a channel whose talk detection is on."""

    channel: str


@dataclass(frozen=True)
class Played:
    playback: str


@dataclass(frozen=True)
class Recorded:
    """A recording is over; ``failed`` is Asterisk's reason, "" when it was stored."""

    name: str
    failed: str


Event = Listening | Entered | HangingUp | Gone | Pressed | Talking | Played | Recorded


def parse(raw: dict[str, Any]) -> Event | None:
    """One message of the WebSocket; None for what means nothing to us or is malformed."""
    try:
        return _parse(raw)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _parse(raw: dict[str, Any]) -> Event | None:
    match raw["type"]:
        case "StasisStart":
            channel = raw["channel"]
            return Entered(
                channel=str(channel["id"]),
                caller=claimed(str(channel["caller"]["number"])),
                called=str(channel["dialplan"]["exten"])[:80],
                dialled=DIALLED in raw.get("args", []),
            )
        case "ChannelHangupRequest":
            return HangingUp(str(raw["channel"]["id"]), int(raw.get("cause", 0)))
        case "StasisEnd":
            return Gone(str(raw["channel"]["id"]), 0)
        case "ChannelDestroyed":
            return Gone(str(raw["channel"]["id"]), int(raw.get("cause", 0)))
        case "ChannelDtmfReceived" if raw["digit"] in KEYS and raw["digit"]:
            return Pressed(str(raw["channel"]["id"]), raw["digit"])
        case "ChannelTalkingStarted":
            return Talking(str(raw["channel"]["id"]))
        case "PlaybackFinished":
            return Played(str(raw["playback"]["id"]))
        case "RecordingFinished":
            return Recorded(str(raw["recording"]["name"]), "")
        case "RecordingFailed":
            why = str(raw["recording"].get("cause") or "failed")
            return Recorded(str(raw["recording"]["name"]), why)
    return None


def undialled(cause: int) -> Undialled:
    """Why a number was not reached, from the Q.850 code of its channel (ITU-T Q.850, table 1)."""
    if cause == 17:
        return "busy"
    if cause in (16, 18, 19, 102):
        return "no_answer"
    if cause in (21, 57, 79, 88):
        return "refused"
    return "unreachable"


def ended(cause: int) -> str:
    """How a call that stood ended: "hangup", or "network" for what no person does."""
    return "hangup" if cause in (0, 16, 17, 18, 19, 21) else "network"
