"""The running player: one loop that looks at its own clock at least twice a second."""

from __future__ import annotations

import logging
import sqlite3
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from edge import device, ladder, plan, volume, vouched
from edge.cache import Cache
from edge.client import Client
from edge.clock import Clock, SystemClock, instant
from edge.config import Home
from edge.crystal import Crystals
from edge.doubt import Doubt
from edge.guest import Guest, Host
from edge.guided import GuidedClock
from edge.health import Problems
from edge.launch import EXIT_RESTART
from edge.live import LiveGuest
from edge.manifest import PlannedPlay
from edge.mqtt import WakeLine
from edge.office import Office
from edge.outcomes import Outcomes
from edge.player import Loudness, Performance, Result
from edge.prepare import Preparer
from edge.receipts import ReceiptBook
from edge.store import Store
from edge.switch import QuietSwitch
from edge.sync import Syncer
from edge.tidying import Tidying
from edge.troubles import EXIT_FAILED, Troubles, end_within, is_damage
from edge.unnoticed import Endings

log = logging.getLogger(__name__)
_CLOCK_WENT_BACK = timedelta(seconds=plan.ARM_S + 2)
_END_WITHIN_S = 15.0
_NOT_LET_GO = "the sound card does not let go of what was cut"


class Box:
    """Everything the player is made of, started in order and stopped in reverse."""

    def __init__(self, home: Home, clock: Clock | None = None) -> None:
        self.clock, self.exit_code = GuidedClock(clock or SystemClock()), 0
        self._identity, self._settings = home.identity(), home.settings()
        self._limits = self._settings.limits(self._identity.zone)
        home.make_folders()
        self._lock = home.lock()
        # The cache first: on a full disk the memory needs the room that left-over sound takes.
        self._problems, self._cache = Problems(), Cache(home, self._settings)
        self.store = Store(home.database_file)
        self._endings, self._sounded = Endings(self.store), home.sounded
        self._sink = device.choose(home, self._settings, self.clock, Crystals(self.store))
        self._troubles, self._doubt = Troubles(self._problems), Doubt(self.store, self.clock)
        book = (self.store, home.key(), self._identity.player_id, self.clock.signs)
        self._book = ReceiptBook(*book)
        ca_file = home.ca_file if self._identity.own_ca else None
        self._client = Client(self._identity.server_url, ca_file, self._identity.token)
        self._rung, self._stopped = threading.Event(), threading.Event()
        self._syncer = Syncer(
            self._identity, self._settings, self._client, self.store, self._cache, self._book,
            self._problems, self.clock, self._sink.kind, self._rung.set, lambda: self.office.soon(),
        )  # fmt: skip
        self.office = Office(
            home, self._client, self.store, self._cache, self._problems, self.clock, self._syncer,
            sink=self._sink, is_switched_quiet=lambda: self.quiet_switch, restart=self._restart,
            is_silent=lambda: self._sounding() is None, is_whole=lambda: self._troubles.is_whole,
        )  # fmt: skip
        self._outcomes = Outcomes(
            self.store, self._book, self._cache, self._problems, self._troubles, self._sink,
            self.clock, self._syncer.wake,
        )  # fmt: skip
        self._tidying = Tidying(self.store, self.clock, self.office.tidy)
        preparing = (self.store, self._cache, self.clock, self._rung.set, self._problems)
        self._preparer = Preparer(*preparing)
        self._line: WakeLine | None = None
        if self._identity.mqtt is not None:
            self._line = WakeLine(
                self._identity.mqtt, self._identity.player_id, ca_file, self._syncer.wake,
                self.office.commands.take,
            )  # fmt: skip
        self._switch = QuietSwitch(self._settings.quiet_file, self._problems)
        self._zone = ZoneInfo(self._identity.zone)
        self._on_air: Performance | None = None
        self._leaving: Performance | None = None
        guest = LiveGuest(self._client, self.clock, self._rung.set, self._problems)
        self.host, self.quiet_switch = Host(self.office.welcome(guest)), False

    def start(self) -> None:
        """Take up where the last run ended, then begin the background work."""
        self.clock.resume(vouched.restore(self.store))
        if self.store.started_anew:
            self._problems.raise_("memory", "the memory was damaged and began anew")
            self._doubt.lose_memory()
        self._outcomes.take_up(self._endings, self._sounded)
        self._syncer.restore()
        self._preparer.start()
        self._syncer.start()
        self.office.start()
        if self._line is not None:
            self._line.start()

    def run_forever(self) -> None:
        """The loop; ends after ``stop``."""
        while not self._stopped.is_set():
            sleep_s = plan.LONGEST_SLEEP_S
            try:
                sleep_s = self.tick()
            except Exception as error:
                # A full or failing disk must not end the player: what sounds goes on sounding.
                self._troubles.fail(error)
                if is_damage(error):
                    self._give_up("memory", "the memory is damaged")
            self._rung.wait(sleep_s)
            self._rung.clear()

    def stop(self) -> None:
        """Ask the loop to end; may be called from a signal handler."""
        self._stopped.set()
        self._rung.set()

    def _restart(self) -> None:
        """End so that whoever started this program starts it again."""
        self.exit_code = EXIT_RESTART
        self.stop()

    def _give_up(self, problem: str, why: str) -> None:
        """Nothing but a new start of the program helps."""
        log.critical("%s: this program ends, to be started again", why)
        self._problems.raise_(problem, why)
        self.exit_code = EXIT_FAILED
        self.office.last_words()
        end_within(_END_WITHIN_S, self.exit_code)
        self.stop()

    def close(self) -> None:
        """Silence the sink, write down what was cut, let everything go."""
        try:
            self._clear_the_air("interrupted")
        except (sqlite3.Error, OSError) as error:
            log.error("what was cut could not be written down: %s", error)
        self.host.close()
        self._preparer.stop()
        self._syncer.stop()
        self.office.stop()
        if self._line is not None:
            self._line.stop()
        self._client.close()
        self.store.close()
        self._lock.close()

    def tick(self) -> float:
        """Look once, act, and tell how long to sleep at most."""
        self._reap()
        now = self._now()
        if self._stopped.is_set() or self._syncer.is_beyond_belief(self.clock):
            return plan.LONGEST_SLEEP_S
        limits = self._limits_now()
        self._host(now, limits)
        if self._on_air is not None:
            self._on_air.set_share(self._share(self._on_air.play, now))
        entries = self._known_entries(now)
        decision = plan.decide(entries, now, self._sounding(), self._clip_state, limits)
        self._outcomes.explain(entries, decision)
        if decision.cut is not None:
            self._clear_the_air(decision.cut)
        if decision.start is not None and self._is_free_for(decision.start.priority):
            self._begin(decision.start)
        if self._on_air is None:
            with self._troubles.contained("old plays could not be forgotten"):
                self._tidying.look(now, self._syncer.manifest)
        self._troubles.end_look()
        return min(decision.sleep_s, self._endings.look(self._on_air, now))

    def _known_entries(self, now: datetime) -> list[plan.Entry]:
        """What can be decided about, each with the length of its sound; the rest is explained."""
        known, lost = self._doubt.sort_out(self.store.open_entries(), now)
        for play_id, error in self.store.unreadable.items():
            self._troubles.note(f"play {play_id} cannot be read", error)
        for entry in lost:
            self._outcomes.miss(entry.play, "memory_lost")
        return [replace(entry, sound_s=self._sound_s(entry.play)) for entry in known]

    def _limits_now(self) -> plan.Limits:
        self.quiet_switch, ordered = self._switch.is_on(), self._syncer.orders_quiet
        return replace(self._limits, switched_quiet=self.quiet_switch, ordered_quiet=ordered)

    def _sounding(self) -> plan.Sounding | None:
        if self._on_air is not None:
            return plan.Sounding(self._on_air.play.play_id, self._on_air.priority)
        return self.host.sounding

    def _host(self, now: datetime, limits: plan.Limits) -> None:
        """Give the air to a guest who wants it and may have it, and take it back."""
        guest = self.host.comes_in(now, limits, self._sounding())
        if guest is not None:
            self._take_off("preempted")
            if self._is_free_for(guest.priority):
                loudness = Loudness(self._cap, self._share(guest, now))
                self.host.begin(guest, self._sink, loudness)

    def _clear_the_air(self, reason: str) -> None:
        self.host.cut(reason)
        self._take_off(reason)

    def _take_off(self, reason: str) -> Result | None:
        on_air = self._on_air
        if on_air is None:
            return None
        result = on_air.cut()
        self._leaving = None if on_air.gone else on_air
        self._finish(on_air, result, reason, counts=False)
        return result

    def _finish(self, on_air: Performance, result: Result, reason: str, *, counts: bool) -> None:
        self._outcomes.finish(on_air, result, reason, counts=counts)
        self._on_air = self.office.sounding = None

    def _is_free_for(self, priority: int) -> bool:
        """Nothing begins until the sink has confirmed that what was cut is silent.

        A driver that hangs must not keep an emergency from the village.
        """
        if self.host.is_stuck or (self._leaving is not None and not self._leaving.gone):
            self._problems.raise_("sink", _NOT_LET_GO)
            return ladder.sounds_always(priority)
        self._leaving = None
        if self._problems.all().get("sink") == _NOT_LET_GO:
            self._problems.settle("sink")
        return True

    @property
    def _cap(self) -> float:
        return self._settings.volume_cap_percent / 100

    def _share(self, heard: PlannedPlay | Guest, now: datetime) -> float:
        """How loud a play or a guest is at this hour, 0-1 below the cap."""
        manifest = self._syncer.manifest
        return volume.share(
            play_percent=heard.volume_percent if isinstance(heard, PlannedPlay) else 100,
            player_percent=manifest.volume_percent(self._identity.player_id) if manifest else 100,
            by_hour=manifest.volume_by_hour if manifest else (),
            priority=heard.priority,
            at=now,
            zone=self._zone,
        )

    def _begin(self, start: plan.Start) -> None:
        pcm = self._cache.pcm(start.play.clip.sha256)
        if not self.store.begin(start.play, self.clock.signs()):
            return  # revised or withdrawn a moment ago
        loudness = Loudness(self._cap, self._share(start.play, start.at))
        self._on_air = Performance(start, pcm, self._sink, self.clock, loudness, self._rung)
        self._on_air.begin()
        log.info("play %s starts at %s", start.play.play_id, start.at.isoformat())

    def _reap(self) -> None:
        """See whether the play on air has ended, or was armed for an instant that moved away."""
        hangs = self.host.hangs or (self._leaving is not None and self._leaving.is_stuck)
        if hangs and self._sounding() is None:
            self._give_up("sink", _NOT_LET_GO)
        on_air = self._on_air
        if on_air is None:
            return
        manifest = self._syncer.manifest
        if manifest is not None and manifest.withdraws(on_air.play):
            left = self._take_off("withdrawn")
            if left is not None and left.end != "whole":
                self._outcomes.miss(on_air.play, "withdrawn")
            return
        self.office.on_air(on_air.play, on_air.at, begun=on_air.begun)
        result = on_air.result()
        if result is None and on_air.is_stuck:
            self._give_up("sink", "the sound card holds a play long after its end")
            result = Result("failed", None)
        if result is not None:
            reason = "sink_failed" if result.end == "failed" else "interrupted"
            if result.end == "failed":
                self._problems.raise_("sink", "the sound card takes no sound")
            self._finish(on_air, result, reason, counts=not result.card_away)
        elif not on_air.begun and on_air.at - self._now() > _CLOCK_WENT_BACK:
            self._take_off("clock_moved")

    def _sound_s(self, play: PlannedPlay) -> float:
        """Of the decoded clip; 0 while it is not decoded."""
        try:
            pcm = self._cache.pcm(play.clip.sha256)
        except KeyError:
            return 0.0
        return len(pcm.samples) / pcm.rate_hz

    def _clip_state(self, play: PlannedPlay) -> plan.ClipState:
        return self._cache.state(play.clip)

    def _now(self) -> datetime:
        return instant(self.clock.wall_s())
