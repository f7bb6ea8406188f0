"""How loud a play is: cap of the box, times play, times hour of the day, times player."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from edge import ladder

EMERGENCY_FLOOR_PERCENT = 50
"""A player that somebody turned down or off keeps so much of its loudness in an emergency: half is
6 dB, as if one stood twice as far from the horn. The server tells it to people."""
_HOURS = 24
_SILENCE_DBFS = -120.0


def share(
    *, play_percent: int, player_percent: int, by_hour: Sequence[int], priority: int,
    at: datetime, zone: ZoneInfo,
) -> float:  # fmt: skip
    """0-1: play times hour times player; percent are of the amplitude, so 50 is 6 dB less.

    ``by_hour``: 24 percents by the local hour of ``zone``, which do not lower an emergency;
    ``player_percent`` lowers it to its floor at most.
    """
    hour_percent = 100
    if ladder.sounds_always(priority):
        player_percent = max(player_percent, EMERGENCY_FLOOR_PERCENT)
    elif len(by_hour) == _HOURS:
        hour_percent = by_hour[at.astimezone(zone).hour]
    found = 1.0
    for percent in (play_percent, hour_percent, player_percent):
        found *= min(100, max(0, percent)) / 100
    return found


def gain(cap: float, peak: float, share: float) -> float:
    """What each sample is multiplied by, 0-1.

    ``cap``: 0-1, the loudest sample the box lets out at full volume; a clip whose ``peak`` (0-1)
    lies below it is not lowered by it.
    """
    return min(1.0, cap / peak) * share if peak > 0 else 0.0


def dbfs(sum_of_squares: float, samples: int) -> float | None:
    """Loudness as 10 * log10 of the mean square of samples between -1 and 1; None of none.

    A square wave at full scale has 0, a sine -3.01; silence counts as -120.
    """
    if samples == 0:
        return None
    mean_square = sum_of_squares / samples
    floor = 10 ** (_SILENCE_DBFS / 10)
    return 10 * math.log10(max(mean_square, floor))
