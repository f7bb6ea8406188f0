"""What the box forgets: once a day, and by a sure clock alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from edge.guided import GuidedClock
from edge.manifest import Manifest
from edge.store import Store

_KEPT = timedelta(days=30)
_EVERY_S = 86_400.0


class Tidying:
    """``commands_too`` forgets old commands by the instant it is given."""

    def __init__(
        self, store: Store, clock: GuidedClock, commands_too: Callable[[datetime], None]
    ) -> None:
        self._store, self._clock, self._commands_too = store, clock, commands_too
        self._done_s: float | None = None

    def look(self, now: datetime, manifest: Manifest | None) -> None:
        """Forget what is old. By a clock that stands ahead that might be what sounded today: it
        would be listed, and heard, once more.
        """
        mono_s = self._clock.mono_s()
        is_due = self._done_s is None or mono_s - self._done_s >= _EVERY_S
        if not is_due or not self._clock.is_sure:
            return
        self._done_s = mono_s
        listed = [play.play_id for play in manifest.plays] if manifest is not None else []
        self._store.prune(now - _KEPT, listed)
        self._commands_too(now)
