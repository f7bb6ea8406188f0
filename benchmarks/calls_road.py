"""What callers of the call benchmark do, second by second."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks import sipp, sounds
from benchmarks.sipp import KeyPress, Sound

VOICE_S = 8.0
FIRST_S = 0.4
ENDS_PEER = "*"
"""The last key of a villager: the hotline takes no notice, to the peer it is the end."""


@dataclass(frozen=True)
class Road:
    """Keys and speech, and how long a caller sends at all; the other side ends the call."""

    parts: tuple[Sound | KeyPress, ...]
    total_s: float


def record_only() -> Road:
    """Speak at once and press #, which ends the call."""
    hash_key = KeyPress(FIRST_S + VOICE_S + 0.4, "#")
    return Road((_voice(FIRST_S), hash_key), hash_key.at_s + 0.4)


def villager() -> Road:
    """Listen and press 1 (report, consent, village, no explanations), speak, #, 1 to hand it in.

    Then hear number and PIN to their end, 24 s. Who presses a key has heard at least 3 s of what
    it answers. The voice begins 1.7 s after the beep: these callers do not hear it, and what is
    said too early is lost as it is to people.
    """
    keys = tuple(KeyPress(at_s, "1") for at_s in (6.0, 11.0, 15.0, 18.0))
    hash_key = KeyPress(20.0 + VOICE_S + 0.4, "#")
    hand_in = KeyPress(hash_key.at_s + 3.6, "1")
    over = KeyPress(hand_in.at_s + 24.0, ENDS_PEER)
    return Road((*keys, _voice(20.0), hash_key, hand_in, over), over.at_s + 8.0)


def _voice(at_s: float) -> sipp.Sound:
    return Sound(at_s, sounds.voice(VOICE_S).tobytes())
