"""Brings the sound of the plays to the disk of the box, what is needed first before the others."""

from __future__ import annotations

import logging
from collections.abc import Callable

from edge import ladder
from edge.cache import Cache
from edge.client import Client
from edge.errors import ClipDamaged, DiskFull, ServerRefused, ServerUnreachable
from edge.health import Problems
from edge.plan import Entry
from edge.store import Store

log = logging.getLogger(__name__)
_TRIES_PER_CLIP = 3


class Clips:
    """Fetches until all is here or ``has_news`` says that the list comes first."""

    def __init__(
        self,
        client: Client,
        store: Store,
        cache: Cache,
        problems: Problems,
        *,
        has_news: Callable[[], bool],
    ) -> None:
        self._client = client
        self._store = store
        self._cache = cache
        self._problems = problems
        self._has_news = has_news

    def fetch(self) -> bool:
        """In the order of use, what breaks in first; False when news broke in.

        Something of what is missing is fetched before news is looked for: however slow the line
        is, each round brings sound.
        """
        entries = sorted(
            self._store.open_entries(), key=lambda entry: entry.play.priority < ladder.LIVE
        )
        for place, entry in enumerate(entries):
            if self._cache.has(entry.play.clip):
                continue
            try:
                self._fetch_clip(entry, entries[: place + 1], entries[place + 1 :])
                self._problems.settle("disk")
            except DiskFull as error:
                log.error("clips stay behind: %s", error)
                self._problems.raise_("disk", str(error))
                return True
            except (ClipDamaged, ServerRefused) as error:
                log.error("clip of play %s: %s", entry.play.play_id, error)
            except ServerUnreachable as error:
                if not self._has_news():
                    raise
                log.info("clip of play %s waits for the list: %s", entry.play.play_id, error)
            if self._has_news():
                return False
        return True

    def _fetch_clip(self, entry: Entry, before: list[Entry], later: list[Entry]) -> None:
        clip = entry.play.clip
        self._cache.make_room(
            clip,
            {other.play.clip.sha256 for other in before},
            [other.play.clip.sha256 for other in later],
        )
        for attempt in range(_TRIES_PER_CLIP):
            try:
                self._client.fetch_clip(clip, self._cache.path(clip.sha256), self._has_news)
            except ClipDamaged:
                self._cache.mark_damaged(clip.sha256)
                if attempt + 1 == _TRIES_PER_CLIP:
                    raise
            else:
                self._cache.mark_fetched(clip.sha256)
                return
