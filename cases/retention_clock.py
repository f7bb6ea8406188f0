"""Whether the clock may be believed before anything is deleted. Pure: no database, no clock.

The server looks at the clock at least each hour and writes down when. A look that comes more than
three days after the last one means that the server was off, that the database came back from a
backup, or that the clock was set wrong: nobody can tell which. So nothing is deleted for a day in
which the server runs, or for a tenth of the leap when that is longer: a clock ten years ahead
waits for a year, in which somebody sees that every date is wrong. A clock that goes back waits a
day. What is not seen is a clock that moves by less than three days: it deletes three days early.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

LEAP = timedelta(days=3)
BACK = timedelta(hours=1)
WAIT = timedelta(days=1)
PART_OF_LEAP = 10
LOOK_WITHIN = timedelta(hours=2)
"""Looks further apart than this: the server did not run in between."""
RUN_EVERY = timedelta(days=1)


@dataclass(frozen=True)
class Watch:
    """``looked_at``: the last look. Before ``not_before`` nothing is deleted."""

    looked_at: datetime
    not_before: datetime
    ran_at: datetime | None = None

    def may_delete(self, now: datetime) -> bool:
        return now >= self.not_before

    def is_time(self, now: datetime) -> bool:
        """Whether the daily run is due; one that seems to be of the future was of another clock."""
        return self.ran_at is None or not self.ran_at <= now < self.ran_at + RUN_EVERY


def look(before: Watch | None, newest_known: datetime | None, now: datetime) -> Watch:
    """The watch after a look at ``now``.

    ``newest_known``: when the database last heard of anything; it counts where nobody has looked
    yet, as after an update of the program.
    """
    if before is None:
        gap = now - newest_known if newest_known is not None else timedelta()
        return Watch(now, now + _wait_after(gap))
    gap = now - before.looked_at
    if gap > LEAP or gap < -BACK:
        not_before = now + _wait_after(gap)
        if gap > timedelta():
            not_before = max(not_before, before.not_before)
        return Watch(now, not_before, before.ran_at)
    was_off = gap - LOOK_WITHIN
    if before.not_before > before.looked_at and was_off > timedelta():
        return replace(before, looked_at=now, not_before=before.not_before + was_off)
    return replace(before, looked_at=now)


def _wait_after(gap: timedelta) -> timedelta:
    return max(WAIT, gap / PART_OF_LEAP)
