"""The only clock of the server, so that tests can turn it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The present instant, timezone-aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class FakeClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def advance(self, delta: timedelta) -> None:
        """Move forward (or back) by ``delta``."""
        self._now += delta

    def set(self, instant: datetime) -> None:
        """Jump to ``instant``."""
        self._now = instant.astimezone(UTC)


_current: Clock = SystemClock()


def utc_now() -> datetime:
    """The present instant of the clock in use, timezone-aware, in UTC."""
    return _current.now()


@contextmanager
def use(clock: Clock) -> Iterator[None]:
    """Let ``clock`` tell the time inside the block."""
    global _current
    before, _current = _current, clock
    try:
        yield
    finally:
        _current = before
