"""Which streams are heard, which ones rest, which ones ended: rules without clocks or processes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from transcribe.stream import GrowingSound

QUIET_S = 3.0
"""A sound of which nobody spoke for three of its seconds is finished: its writer died."""

REMEMBER_S = 600.0
"""So long a stream that is over stays known, so that late news does not begin it again."""

REST_OF_S, CYCLE_S = 3.0, 4.0
"""While finished sounds need all cores, growing ones rest three of every four seconds."""


@dataclass
class Stream:
    """One sound as the live process knows it. Times are monotonic seconds.

    ``pid`` is set while a child hears it; ``over`` when none ever will again.
    """

    key: str
    sound: GrowingSound
    told_at_s: float
    pid: int | None = None
    pipe: int | None = None
    ended: bool = False
    resting: bool = False
    over: bool = False
    restarts: int = field(default=0)


def to_start(streams: Iterable[Stream], cap: int) -> list[Stream]:
    """The streams that may begin now, those that wait longest first."""
    known = list(streams)
    free = cap - sum(stream.pid is not None for stream in known)
    waiting = [one for one in known if one.pid is None and not one.over and not one.ended]
    return waiting[: max(0, free)]


def fell_quiet(streams: Iterable[Stream], now_s: float) -> list[Stream]:
    """Streams of which nobody told anything for ``QUIET_S``."""
    return [
        one for one in streams if not one.ended and not one.over and now_s - one.told_at_s > QUIET_S
    ]


def to_forget(streams: Iterable[Stream], now_s: float) -> list[Stream]:
    """Streams that are over and long gone."""
    return [
        one
        for one in streams
        if one.pid is None and (one.over or one.ended) and now_s - one.told_at_s > REMEMBER_S
    ]


def resting(streams: Iterable[Stream], cores: int, now_s: float) -> set[str]:
    """Keys of the growing streams that stand aside for those whose call is over.

    Nobody starves: they get the last second of every four.
    """
    heard = [one for one in streams if one.pid is not None]
    finishing = sum(one.ended for one in heard)
    if finishing < cores or now_s % CYCLE_S >= REST_OF_S:
        return set()
    return {one.key for one in heard if not one.ended}
