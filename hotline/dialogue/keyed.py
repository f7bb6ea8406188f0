"""Numbers that callers key in: a fixed length, the star key begins anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hotline import limits
from hotline.call import Key
from hotline.dialogue.state import Dialogue, Phase, Step, once_said, stay
from hotline.steps import Event, Hush, TimedOut, Wait


def collect(
    now: Dialogue,
    event: Event,
    length: int,
    complete: Callable[[Dialogue, str], Step],
    again: Callable[[Dialogue], Step],
) -> Step:
    """Take in one event while a number of ``length`` digits is keyed.

    ``complete`` gets all digits; ``again`` follows silence, the star key, and the hash key after
    too few digits. A hash key before any digit ends the number before this one and means nothing.
    """
    match event:
        case Key("#") if not now.keyed:
            return stay(now)
        case Key("*" | "#"):
            return again(replace(now, keyed=""))
        case Key(digit):
            keyed = now.keyed + digit
            if len(keyed) == length:
                return complete(replace(now, keyed=""), keyed)
            waiting = replace(now, keyed=keyed, phase=Phase.WAITING)
            return waiting, (Hush(), Wait(limits.DIGIT_WAIT_S))
        case TimedOut() if now.phase is Phase.WAITING:
            return again(replace(now, keyed=""))
    return once_said(now, event, limits.DIGIT_WAIT_S)
