"""What is removed for a new clip: nothing in vain, and nothing but what makes the difference."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from edge.config import Home, Settings
from edge.errors import DiskFull
from edge.manifest import ClipRef
from edge.room import Room

MB = 1_000_000
DISK_MB = 100.0


def clip(letter: str, size_mb: float) -> ClipRef:
    return ClipRef(letter * 64, int(size_mb * MB), 5_000, "audio/ogg")


@pytest.fixture
def store_clip(home: Home) -> Callable[[ClipRef], None]:
    def keep(found: ClipRef) -> None:
        path = home.clips / found.sha256[:2] / found.sha256
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.truncate(found.size_bytes)

    return keep


@pytest.fixture
def other_mb(home: Home, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """A disk of 100 MB on which something else takes so much."""

    def fill(taken_mb: float) -> None:
        def usage(_path: object) -> SimpleNamespace:
            clips = sum(each.stat().st_size for each in home.clips.rglob("*") if each.is_file())
            return SimpleNamespace(free=int((DISK_MB - taken_mb) * MB) - clips)

        monkeypatch.setattr(shutil, "disk_usage", usage)

    return fill


def test_clips_of_later_plays_are_not_thrown_away_when_that_does_not_suffice(
    home: Home, store_clip: Callable[[ClipRef], None], other_mb: Callable[[float], None]
) -> None:
    later = clip("b", 20)
    store_clip(later)
    other_mb(70)  # 10 MB are free, 50 are to be kept free: decoded sound uses what is missing
    room = Room(home, Settings(disk_reserve_mb=50))
    with pytest.raises(DiskFull):
        room.for_clip(clip("a", 5), [], [later.sha256])
    assert len(room.files()) == 1


def test_just_enough_is_removed_the_one_needed_last_first(
    home: Home, store_clip: Callable[[ClipRef], None], other_mb: Callable[[float], None]
) -> None:
    soon, late = clip("b", 20), clip("c", 20)
    store_clip(soon)
    store_clip(late)
    other_mb(10)  # 50 MB are free
    room = Room(home, Settings(disk_reserve_mb=40))
    room.for_clip(clip("a", 25), [], [soon.sha256, late.sha256])
    assert [each.name for each in room.files()] == [soon.sha256]
