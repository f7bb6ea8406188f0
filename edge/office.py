"""All of the box that speaks about the box instead of sounding: reports, commands, updates."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from edge import health, vouched
from edge.cache import Cache
from edge.client import Client
from edge.clock import instant, iso
from edge.commands import CommandBook, Commands, Handler
from edge.config import Home
from edge.guided import GuidedClock
from edge.health import Problems, SinkSigns
from edge.launch import Releases
from edge.live import LiveGuest
from edge.machine import Machine
from edge.manifest import PlannedPlay
from edge.reporter import Reporter
from edge.sinks import Sink
from edge.store import Store
from edge.sync import Syncer
from edge.told import Told
from edge.update import Updater

_CALM = timedelta(minutes=3)
_COMMANDS_KEPT = timedelta(days=7)
_LAST_WORDS_S = 3.0


class Office:
    """Started and stopped with the box. ``commands.take`` gets envelopes from any road."""

    def __init__(
        self,
        home: Home,
        client: Client,
        store: Store,
        cache: Cache,
        problems: Problems,
        clock: GuidedClock,
        syncer: Syncer,
        *,
        sink: Sink,
        is_switched_quiet: Callable[[], bool],
        is_silent: Callable[[], bool],
        is_whole: Callable[[], bool],
        restart: Callable[[], None],
    ) -> None:
        """``restart``: see ``edge.update.Updater``; ``is_whole``: see ``edge.troubles``."""
        identity, settings = home.identity(), home.settings()
        self._client, self._store, self._cache = client, store, cache
        self._problems, self._clock, self._syncer = problems, clock, syncer
        self._sink, self._is_silent, self._is_whole = sink, is_silent, is_whole
        self._wants_card = settings.sink != "wav"
        self._is_switched_quiet = is_switched_quiet
        self._machine = Machine(home.folder)
        self.sounding: dict[str, Any] | None = None
        """Goes out in place of the last play while something breaks in, see ``on_air``."""
        self._book = CommandBook(store)
        self.commands = Commands(identity, self._book, client, clock)
        self._updater = Updater(
            Releases(home.releases), client, identity.server_key_bytes, settings.update_trial_s,
            finish=self.commands.finish, is_idle=self._is_idle, restart=restart,
        )  # fmt: skip
        self._reporter = Reporter(
            client, store, self.commands, settings.health_s,
            report=self.report, taken=self._prove, approved=syncer.resync, shut_out=syncer.wake,
        )  # fmt: skip
        self.handle("resync", self._resync)
        self.handle("update", self._updater.take)
        client.server_says = self._hear_the_time

    def handle(self, kind: str, handler: Handler) -> None:
        """Commands of ``kind`` are done by ``handler``."""
        self.commands.handle(kind, handler)

    def welcome(self, guest: LiveGuest) -> LiveGuest:
        """Commands about live addresses go to ``guest``, who leaves when the box is shut out."""
        self.handle("live", guest.join)
        self.handle("live_stop", guest.leave)
        self._syncer.on_shut_out = guest.send_away
        return guest

    def start(self) -> None:
        """Begin; what an earlier run left open is settled first."""
        self._updater.report(self._book.begun("update"), self._book.drop)
        self.commands.start()
        self._reporter.start()

    def stop(self) -> None:
        """End."""
        self._updater.stop()
        self.commands.stop()
        self._reporter.stop()

    def tidy(self, now: datetime) -> None:
        """Forget commands that are long over."""
        self._book.forget(now - _COMMANDS_KEPT)

    def last_words(self) -> None:
        """Tell why the program ends, if that takes no more than a moment."""
        last = threading.Thread(target=self._reporter.try_once, name="last-words", daemon=True)
        last.start()
        last.join(_LAST_WORDS_S)

    def soon(self) -> None:
        """There is something worth telling now."""
        self._reporter.soon()

    def on_air(self, play: PlannedPlay, at: datetime, *, begun: bool) -> None:
        """Tell at once that a break-in is heard; its receipt comes only when it is over."""
        if not begun or play.kind == "programme" or self.sounding is not None:
            return
        self.sounding = {"play_id": play.play_id, "outcome": "sounding", "at": iso(at)}
        self._reporter.at_once()

    def report(self) -> dict[str, Any]:
        """How the box is."""
        self._note_clock()
        self._note_card()
        self._store.database.keep_reserve()
        name = str(getattr(self._sink, "name", self._sink.kind))
        found = health.report(
            self._store,
            self._cache,
            self._problems,
            self._machine,
            sink=SinkSigns(self._sink.kind, name, "sink" not in self._problems.all()),
            manifest=self._syncer.manifest,
            quiet_switch=self._is_switched_quiet(),
            now_s=self._clock.wall_s(),
            discipline=self._clock.discipline(),
            is_led=self._clock.is_led,
            server_offset_s=self._clock.server_offset_s,
        )
        sounding = self.sounding
        return found if sounding is None else found | {"last_play": sounding}

    def _prove(self) -> None:
        """A report was taken. A program that can speak and cannot play has not proved itself."""
        if self._is_whole():
            self._updater.prove()

    def _is_idle(self) -> bool:
        """Nothing sounds, and nothing is about to."""
        soon = instant(self._clock.wall_s()) + _CALM
        waiting = self._store.open_entries()
        return self._is_silent() and all(entry.play.starts_at > soon for entry in waiting)

    def _hear_the_time(self, told: Told) -> None:
        was_vouched = self._clock.vouched is not None
        self._clock.heard(told)
        if not was_vouched:  # what is agreed on counts at the next start too, however soon
            vouched.keep(self._store, self._clock.vouched)

    def _note_clock(self) -> None:
        offset_s = self._clock.server_offset_s
        vouched.keep(self._store, self._clock.vouched)
        if offset_s is not None and self._clock.is_led:
            detail = f"the clock is wrong by {_length(offset_s)}; the time of the server is used"
            self._problems.raise_("clock", detail)
        else:
            self._problems.settle("clock")
        if self._clock.is_at_odds:
            self._problems.raise_("server_clock", "the server's clock jumped; not followed yet")
        else:
            self._problems.settle("server_clock")

    def _note_card(self) -> None:
        """What goes to files is proved like any sound, and nobody in the village hears it."""
        to_files = self._sink.kind == "wav"
        if self._wants_card and not getattr(self._sink, "has_card", not to_files):
            where = "goes to files" if to_files else "is missed"
            self._problems.raise_("no_card", f"no sound card was found: what is due {where}")
        else:
            self._problems.settle("no_card")

    def _resync(self, _payload: Mapping[str, Any]) -> tuple[str, str]:
        self._syncer.resync()
        return "done", "asking the server for everything"


def _length(seconds: float) -> str:
    for unit, name in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if abs(seconds) >= 2 * unit:
            return f"{abs(seconds) / unit:.0f} {name}"
    return f"{abs(seconds):.0f} seconds"
