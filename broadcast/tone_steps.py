"""Where a test tone is stuck: six steps from the order to the proof. Pure rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from broadcast import reasons
from core.errors import N_

NAMES = {
    "ordered": N_("Ordered"),
    "listed": N_("On the signed list"),
    "woken": N_("Player woken"),
    "fetched": N_("List fetched"),
    "sounded": N_("Sounded"),
    "proved": N_("Proved by receipt"),
}
STUCK = {
    "listed": N_("This server made no new list. See in its log whether its duties run."),
    "woken": N_("The message service is away. Players ask by themselves within a minute."),
    "fetched": N_("The player did not ask. See power, network cable and SIM card of the box."),
    "sounded": N_("The player has the list and nothing sounded. See its sound output and clock."),
    "proved": N_("Its receipt is not here. See the network of the box; it sends it later."),
    "no_player": N_("The village has no player yet. Set one up on the loudspeakers page."),
    "waiting": N_("The player waits for approval and keeps silent until then."),
    "switched": N_("The quiet switch on the box is on. It sounds when somebody turns it off."),
}
"""What to look at when a step does not come."""


@dataclass(frozen=True)
class Seen:
    """Everything known of a tone and a player; ``reason`` is a code of broadcast.reasons."""

    ordered_at: datetime
    has_player: bool = True
    is_approved: bool = True
    is_switched_quiet: bool = False
    listed_at: datetime | None = None
    woken_at: datetime | None = None
    fetched_at: datetime | None = None
    sounded_at: datetime | None = None
    proved_at: datetime | None = None
    reason: str | None = None
    missed: bool = False


@dataclass(frozen=True)
class Step:
    """``state``: done, waiting (it may still come), stuck, skipped (not needed), open (later).

    ``words``: what to look at, or why (English template); "" where there is nothing to say.
    """

    name: str
    state: str
    at: datetime | None = None
    words: str = ""

    @property
    def label(self) -> str:
        return NAMES[self.name]


def steps(seen: Seen, is_over: bool) -> Iterator[Step]:
    """The six steps in order. A later step that is done proves the ones before it."""
    times = {
        "ordered": seen.ordered_at,
        "listed": seen.listed_at,
        "woken": seen.woken_at,
        "fetched": seen.fetched_at,
        "sounded": seen.sounded_at,
        "proved": seen.proved_at,
    }
    names = list(times)
    reached = max(index for index, name in enumerate(names) if times[name] is not None)
    is_stuck = False
    for index, name in enumerate(names):
        if name == "sounded" and seen.missed:
            yield Step(name, "stuck", None, reasons.words(seen.reason))
        elif times[name] is not None:
            yield Step(name, "done", times[name])
        elif name == "woken" and index < reached:
            yield Step(name, "skipped", None, N_("not needed: the player asked by itself"))
        elif index < reached:
            yield Step(name, "done")
        elif is_stuck:
            yield Step(name, "open")
        else:
            is_stuck = True
            yield _next(seen, name, is_over)


def _next(seen: Seen, name: str, is_over: bool) -> Step:
    if name != "proved" and not seen.has_player:
        return Step(name, "stuck", None, STUCK["no_player"])
    if name != "proved" and not seen.is_approved:
        return Step(name, "stuck", None, STUCK["waiting"])
    if name == "sounded" and seen.is_switched_quiet:
        return Step(name, "stuck", None, STUCK["switched"])
    return Step(name, "stuck" if is_over else "waiting", None, STUCK[name])
