"""The running player: one loop that looks at its own clock at least twice a second."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta

from edge import clock as clocks
from edge import device, plan
from edge.cache import Cache
from edge.client import Client
from edge.clock import Clock, SystemClock, instant
from edge.config import Home
from edge.health import Problems
from edge.manifest import PlannedPlay
from edge.mqtt import WakeLine
from edge.player import Performance, Result
from edge.prepare import Preparer
from edge.receipts import ReceiptBook
from edge.store import Store
from edge.sync import Syncer

log = logging.getLogger(__name__)
_KEPT = timedelta(days=30)
_CLOCK_WENT_BACK = timedelta(seconds=plan.ARM_S + 2)


class Box:
    """Everything the player is made of, started in order and stopped in reverse."""

    def __init__(self, home: Home, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self._identity = home.identity()
        self._settings = home.settings()
        self._limits = self._settings.limits(self._identity.zone)
        home.make_folders()
        self._lock = home.lock()
        self.store = Store(home.database_file)
        self._sink = device.choose(home, self._settings, self.clock)
        self._problems = Problems()
        self._cache = Cache(home, self._settings)
        self._book = ReceiptBook(self.store, home.key(), self._identity.player_id)
        ca_file = home.ca_file if self._identity.own_ca else None
        self._client = Client(self._identity.server_url, ca_file, self._identity.token)
        self._rung = threading.Event()
        self._stopped = threading.Event()
        self._syncer = Syncer(
            self._identity, self._settings, self._client, self.store, self._cache, self._book,
            self._problems, self.clock, self._sink.kind, self._rung.set,
        )  # fmt: skip
        self._preparer = Preparer(self.store, self._cache, self.clock, self._rung.set)
        self._line: WakeLine | None = None
        if self._identity.mqtt is not None:
            self._line = WakeLine(
                self._identity.mqtt, self._identity.player_id, ca_file, self._syncer.wake
            )
        self._on_air: Performance | None = None

    def start(self) -> None:
        """Take up where the last run ended, then begin the background work."""
        now = self._now()
        if self.store.started_anew:
            self._problems.raise_("memory", "the memory was damaged and began anew")
            self.store.remember("memory_lost_at", clocks.iso(now))
        self.store.prune(now - _KEPT)
        for entry in self.store.left_sounding():
            self._was_cut(entry.play, "interrupted", counts=True)
        self._syncer.restore()
        self._preparer.start()
        self._syncer.start()
        if self._line is not None:
            self._line.start()

    def run_forever(self) -> None:
        """The loop; ends after ``stop``."""
        while not self._stopped.is_set():
            try:
                sleep_s = self.tick()
            except Exception:
                # A full or failing disk must not end the player: what sounds goes on sounding.
                log.exception("the loop failed; trying again")
                sleep_s = plan.LONGEST_SLEEP_S
            self._rung.wait(sleep_s)
            self._rung.clear()

    def stop(self) -> None:
        """Ask the loop to end; may be called from a signal handler."""
        self._stopped.set()
        self._rung.set()

    def close(self) -> None:
        """Silence the sink, write down what was cut, let everything go."""
        if self._on_air is not None:
            self._finish(self._on_air, self._on_air.cut(), "interrupted", counts=False)
        self._preparer.stop()
        self._syncer.stop()
        if self._line is not None:
            self._line.stop()
        self._client.close()
        self.store.close()
        self._lock.close()

    def tick(self) -> float:
        """Look once, act, and tell how long to sleep at most."""
        self._reap()
        now = self._now()
        sounding = None
        if self._on_air is not None:
            sounding = plan.Sounding(self._on_air.play.play_id, self._on_air.priority)
        entries = self._without_unknowable(self.store.open_entries())
        decision = plan.decide(entries, now, sounding, self._clip_state, self._limits)
        noted = {entry.play.play_id: entry.blocked for entry in entries}
        for play_id, reason in decision.missed:
            self._miss(self.store.play(play_id), reason)
        for play_id, reason in decision.blocked:
            play = self.store.play(play_id)
            if self._cache.is_too_long(play.clip.sha256):
                self._miss(play, "too_long")
            elif noted[play_id] != reason:
                self.store.note_blocked(play_id, reason)
        if decision.start is not None:
            if self._on_air is not None:
                self._finish(self._on_air, self._on_air.cut(), "preempted", counts=False)
            self._begin(decision.start)
        return decision.sleep_s

    def _without_unknowable(self, entries: list[plan.Entry]) -> list[plan.Entry]:
        """After the loss of the memory nobody knows what had sounded: better once too few."""
        lost_at = self.store.fact("memory_lost_at")
        if lost_at is None:
            return entries
        going_on = []
        for entry in entries:
            if entry.play.starts_at <= clocks.parse(lost_at):
                self._miss(entry.play, "memory_lost")
            else:
                going_on.append(entry)
        return going_on

    def _begin(self, start: plan.Start) -> None:
        pcm = self._cache.pcm(start.play.clip.sha256)
        if not self.store.begin(start.play):
            return  # revised or withdrawn a moment ago
        cap = self._settings.volume_cap_percent / 100
        self._on_air = Performance(start, pcm, self._sink, self.clock, cap, self._rung)
        self._on_air.begin()
        log.info("play %s starts at %s", start.play.play_id, start.at.isoformat())

    def _reap(self) -> None:
        """See whether the play on air has ended, or was armed for an instant that moved away."""
        on_air = self._on_air
        if on_air is None:
            return
        manifest = self._syncer.manifest
        if manifest is not None and manifest.withdraws(on_air.play):
            left = on_air.cut()
            self._finish(on_air, left, "withdrawn", counts=False)
            if left.end != "whole":
                self._miss(on_air.play, "withdrawn")
            return
        result = on_air.result()
        if result is not None:
            reason = "sink_failed" if result.end == "failed" else "interrupted"
            self._finish(on_air, result, reason, counts=True)
        elif not on_air.begun and on_air.at - self._now() > _CLOCK_WENT_BACK:
            self._finish(on_air, on_air.cut(), "clock_moved", counts=False)

    def _finish(self, on_air: Performance, result: Result, reason: str, *, counts: bool) -> None:
        if result.end == "whole" and result.heard is not None:
            self._book.played(on_air.play, result.heard, self._now())
            log.info("play %s done, %s", on_air.play.play_id, result.heard)
            self._syncer.wake()
        else:
            self._was_cut(on_air.play, reason, counts=counts)
        self._on_air = None

    def _was_cut(self, play: PlannedPlay, reason: str, *, counts: bool) -> None:
        """Back to waiting; the next look decides whether there is time to make it up."""
        self.store.give_back(play.play_id, reason, counts=counts)
        log.warning("play %s was cut: %s", play.play_id, reason)

    def _miss(self, play: PlannedPlay, reason: str) -> None:
        self._book.missed(
            play, reason, self._now(), sink=self._sink.kind, synchronised=clocks.synchronised()
        )
        log.warning("play %s missed: %s", play.play_id, reason)
        self._syncer.wake()

    def _clip_state(self, play: PlannedPlay) -> plan.ClipState:
        return self._cache.state(play.clip)

    def _now(self) -> datetime:
        return instant(self.clock.wall_s())
