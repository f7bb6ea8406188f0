"""Decodes what sounds next, ahead of its time, in the background."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from datetime import timedelta

from edge import ladder
from edge.cache import Cache
from edge.clock import Clock, instant
from edge.health import Problems
from edge.plan import Entry
from edge.store import Store

log = logging.getLogger(__name__)
_AHEAD = timedelta(minutes=15)
_ALWAYS = 2  # the next ones are decoded however far away: the clock may be set forward
_LOOK_S = 1.0


class Preparer:
    """Keeps PCM of the next plays ready and no other. ``news`` is called when one became ready."""

    def __init__(
        self,
        store: Store,
        cache: Cache,
        clock: Clock,
        news: Callable[[], None],
        problems: Problems,
    ) -> None:
        self._problems = problems
        self._store = store
        self._cache = cache
        self._clock = clock
        self._news = news
        self._stopped = threading.Event()
        self._one_at_a_time = threading.Lock()
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
        """Try the one that is needed first; False when there is nothing to do.

        For any thread: two that decoded the same clip would write into each other's file.
        """
        with self._one_at_a_time:
            return self._prepare_next()

    def _prepare_next(self) -> bool:
        soon, later = self._needed()
        sounding = [entry.play.clip for entry in self._store.left_sounding()]
        # A play that is cut may begin again at once.
        kept = [*(entry.play.clip for entry in soon), *sounding]
        self._cache.expect(kept)
        self._cache.forget_pcm(clip.sha256 for clip in kept)
        for entry in soon:
            if self._cache.may_prepare(entry.play.clip):
                spare = [other.play.clip.sha256 for other in later]
                overtaken = functools.partial(self._is_overtaken, entry)
                self._cache.prepare(entry.play.clip, spare, overtaken)
                return True
        return False

    def _needed(self) -> tuple[list[Entry], list[Entry]]:
        """What sounds soon, what breaks in before the rest, and what sounds later, by time."""
        horizon = instant(self._clock.wall_s()) + _AHEAD
        soon: list[Entry] = []
        later: list[Entry] = []
        for place, entry in enumerate(self._store.open_entries()):
            is_soon = place < _ALWAYS or entry.play.starts_at <= horizon
            (soon if is_soon else later).append(entry)
        return sorted(soon, key=lambda entry: not _is_urgent(entry)), later

    def _is_overtaken(self, decoding: Entry) -> bool:
        """Whether something that breaks in came while a programme is being decoded."""
        if _is_urgent(decoding):
            return False
        soon, _ = self._needed()
        return any(_is_urgent(each) and self._cache.may_prepare(each.play.clip) for each in soon)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                if self.prepare_next():
                    self._news()
                    continue
                self._tell()
            except Exception as error:
                # Tried each second: said once, or the log would fill the card.
                if "prepare" not in self._problems.all():
                    log.exception("preparing failed; trying again")
                self._problems.raise_("prepare", f"no sound can be made ready: {error}")
            self._stopped.wait(_LOOK_S)

    def _tell(self) -> None:
        trouble = self._cache.trouble()
        if trouble is None:
            self._problems.settle("prepare")
        else:
            self._problems.raise_("prepare", f"no sound can be made ready: {trouble}")


def _is_urgent(entry: Entry) -> bool:
    return entry.play.priority >= ladder.LIVE
