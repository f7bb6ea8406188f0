"""What became of a play is written down: in a receipt, or that it waits again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from edge.cache import Cache
from edge.clock import instant
from edge.guided import GuidedClock
from edge.health import Problems
from edge.ladder import Paused
from edge.manifest import PlannedPlay
from edge.plan import Decision, Entry
from edge.player import Performance, Result
from edge.receipts import ReceiptBook
from edge.sinks import Sink
from edge.store import Store
from edge.troubles import Troubles
from edge.unnoticed import Endings

log = logging.getLogger(__name__)
_GOES_ON = ("preempted", "quiet_switch")
"""Reasons for a cut after which each play does what its ``on_interrupt`` says."""


class Outcomes:
    """Ends plays in the memory of the box. ``written`` is called when there is a new receipt."""

    def __init__(
        self,
        store: Store,
        book: ReceiptBook,
        cache: Cache,
        problems: Problems,
        troubles: Troubles,
        sink: Sink,
        clock: GuidedClock,
        written: Callable[[], None],
    ) -> None:
        self._store, self._book, self._cache = store, book, cache
        self._problems, self._troubles = problems, troubles
        self._sink, self._clock, self._written = sink, clock, written

    def take_up(self, endings: Endings, folder: Path) -> None:
        """After a start: plays in whose middle the last run died. ``folder``: see ``Endings``."""
        for entry in self._store.left_sounding():
            if whole := endings.heard(folder, entry):
                self._book.played(entry.play, whole, self._now())
                continue
            # What was broken off before goes on from there again, not from where the box died.
            self._wait_again(entry.play, "interrupted", counts=True, paused=entry.paused)

    def finish(self, on_air: Performance, result: Result, reason: str, *, counts: bool) -> None:
        """It has left the sink. ``reason``, ``counts``: why and whether that was a try of its own,
        unless it was heard to its end.
        """
        if result.end == "whole" and result.heard is not None:
            self._book.played(on_air.play, result.heard, self._now())
            self._problems.settle("sink")
            log.info("play %s done, %s", on_air.play.play_id, result.heard)
            self._written()
        elif reason in _GOES_ON and on_air.begun and on_air.play.on_interrupt == "skip":
            self._write_missed(on_air.play, reason)
        else:
            goes_on = reason in _GOES_ON and on_air.play.on_interrupt == "resume"
            paused = on_air.paused(result) if goes_on else on_air.resumed_from
            self._wait_again(on_air.play, reason, counts=counts, paused=paused)

    def explain(self, entries: Sequence[Entry], decision: Decision) -> None:
        """Write down what was decided about the plays that do not begin now."""
        by_id = {entry.play.play_id: entry for entry in entries}
        for play_id, reason in decision.missed:
            self.miss(by_id[play_id].play, reason)
        for play_id, reason in decision.blocked:
            entry = by_id[play_id]
            if self._cache.is_too_long(entry.play.clip.sha256):
                self.miss(entry.play, "too_long")
            elif entry.blocked != reason:
                with self._troubles.contained(f"what holds play {play_id} back was not noted"):
                    self._store.note_blocked(play_id, reason)

    def miss(self, play: PlannedPlay, reason: str) -> None:
        """It will not be heard. What cannot be written keeps no other play from its turn."""
        with self._troubles.contained(f"play {play.play_id} could not be called missed"):
            self._write_missed(play, reason)

    def _write_missed(self, play: PlannedPlay, reason: str) -> None:
        self._book.missed(play, reason, self._now(), sink=self._sink.kind)
        log.warning("play %s missed: %s", play.play_id, reason)
        self._written()

    def _wait_again(
        self, play: PlannedPlay, reason: str, *, counts: bool, paused: Paused | None
    ) -> None:
        """The next look decides whether there is time to make it up."""
        self._store.give_back(play, reason, counts=counts, paused=paused)
        log.warning("play %s was cut: %s", play.play_id, reason)

    def _now(self) -> datetime:
        return instant(self._clock.wall_s())
