"""Decodes what sounds next, ahead of its time, in the background."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

from edge.cache import Cache
from edge.clock import Clock, instant
from edge.store import Store

log = logging.getLogger(__name__)
_AHEAD = timedelta(minutes=15)
_ALWAYS = 2  # the next ones are decoded however far away: the clock may be set forward
_LOOK_S = 1.0


class Preparer:
    """Keeps PCM of the next plays ready and no other. ``news`` is called when one became ready."""

    def __init__(self, store: Store, cache: Cache, clock: Clock, news: Callable[[], None]) -> None:
        self._store = store
        self._cache = cache
        self._clock = clock
        self._news = news
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prepare", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, together with a decoding that is under way."""
        self._stopped.set()
        self._cache.stop()
        self._thread.join(0.3)

    def prepare_next(self) -> bool:
        """One round; whether something changed."""
        horizon = instant(self._clock.wall_s()) + _AHEAD
        entries = self._store.open_entries()
        soon = [
            entry.play.clip
            for place, entry in enumerate(entries)
            if place < _ALWAYS or entry.play.starts_at <= horizon
        ]
        # A play that is cut may begin again at once.
        sounding = [entry.play.clip for entry in self._store.left_sounding()]
        self._cache.forget_pcm(clip.sha256 for clip in soon + sounding)
        changed = False
        for clip in soon:
            if self._stopped.is_set():
                break
            if self._cache.state(clip) == "preparing":
                changed |= self._cache.prepare(clip) != "preparing"
        return changed

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                if self.prepare_next():
                    self._news()
            except Exception:
                log.exception("preparing failed; trying again")
            self._stopped.wait(_LOOK_S)
