"""Brings the sound of the plays to the disk of the box, what is needed first before the others."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from edge import ladder
from edge.cache import Cache
from edge.client import Client
from edge.errors import ClipDamaged, DiskFull, ServerRefused, ServerUnreachable
from edge.health import Problems
from edge.plan import Entry
from edge.store import Store

log = logging.getLogger(__name__)
_TRIES_PER_CLIP = 3
_NO_ROOM_MADE_S = 3600.0
"""So long after the disk refused a clip no other clip of a play is removed for it."""


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
        self._left_behind: set[str] = set()
        self._refused_s: dict[str, float] = {}

    def fetch(self) -> bool:
        """In the order of use, what breaks in first; False when news broke in.

        Something of what is missing is fetched before news is looked for: however slow the line
        is, each round brings sound. What cannot be stored keeps nothing else away.
        """
        entries = sorted(
            self._store.open_entries(), key=lambda entry: entry.play.priority < ladder.LIVE
        )
        found: dict[str, str] = {}
        tried: set[str] = set()
        for place, entry in enumerate(entries):
            sha256 = entry.play.clip.sha256
            if sha256 in tried or self._cache.has(entry.play.clip):
                continue
            tried.add(sha256)
            try:
                self._fetch_clip(entry, entries[: place + 1], entries[place + 1 :])
            except DiskFull as error:
                self._leave_behind(sha256, error)
                found.setdefault("disk", str(error))
            except (ClipDamaged, ServerRefused) as error:
                log.error("clip of play %s: %s", entry.play.play_id, error)
            except ServerUnreachable as error:
                if not self._has_news():
                    raise
                log.info("clip of play %s waits for the list: %s", entry.play.play_id, error)
            except OSError as error:
                self._leave_behind(sha256, error)
                found.setdefault("storage", str(error))
            self._tell(found)
            if self._has_news():
                return False
        self._left_behind &= tried
        self._tell(found, is_all=True)
        return True

    def _leave_behind(self, sha256: str, error: Exception) -> None:
        """Logged once: it is tried in each round."""
        if sha256 not in self._left_behind:
            log.error("clip %s stays behind: %s", sha256[:12], error)
        self._left_behind.add(sha256)

    def _tell(self, found: Mapping[str, str], *, is_all: bool = False) -> None:
        """``found``: what keeps the first clip away; ``is_all``: every clip was looked at."""
        if "disk" in found:
            self._problems.raise_("disk", found["disk"])
        elif is_all:
            self._problems.settle("disk")
        if "storage" in found:
            self._problems.raise_("storage", found["storage"])
        elif is_all:
            self._problems.settle("storage")

    def _fetch_clip(self, entry: Entry, before: list[Entry], later: list[Entry]) -> None:
        clip = entry.play.clip
        self._cache.check_place(clip.sha256)
        if self._was_refused(clip.sha256):
            before, later = before + later, []
        self._cache.make_room(
            clip,
            {other.play.clip.sha256 for other in before},
            [other.play.clip.sha256 for other in later],
        )
        try:
            self._fetch_whole(entry)
        except (DiskFull, OSError):
            self._refused_s[clip.sha256] = time.monotonic()
            raise
        self._refused_s.pop(clip.sha256, None)
        self._left_behind.discard(clip.sha256)

    def _was_refused(self, sha256: str) -> bool:
        """Whether the disk did not take it although there was room: what is removed for such a clip
        would be fetched anew in each round."""
        refused_s = self._refused_s.get(sha256)
        return refused_s is not None and time.monotonic() - refused_s < _NO_ROOM_MADE_S

    def _fetch_whole(self, entry: Entry) -> None:
        clip = entry.play.clip
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
