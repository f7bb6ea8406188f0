"""What the disk does not take keeps nothing else from the village, and costs the line nothing."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.config import Home, Settings
from edge.manifest import ClipRef
from tests.edge.fake_server import FakeServer
from tests.edge.test_sync import Box, plan_noise

MB = 1_000_000


@pytest.fixture
def box(home: Home) -> Box:
    return Box(home, Settings(sink="wav", cache_limit_mb=2.5))


def fetched(server: FakeServer) -> list[str]:
    return [path.rsplit("/", 1)[1] for _, path, _ in server.requests if "/clips/" in path]


def test_what_still_fits_is_fetched_though_something_sooner_does_not(
    server: FakeServer, box: Box
) -> None:
    large = plan_noise(server, 1, 1, size=3 * MB)
    small = plan_noise(server, 2, 2, size=MB)
    box.syncer.sync_once()
    assert (box.cache.has(large), box.cache.has(small)) == (False, True)
    assert "disk" in box.problems.all()
    server.requests.clear()
    for _ in range(3):
        box.syncer.sync_once()
    assert fetched(server) == []
    box.close()


def test_once_there_is_room_for_all_that_is_wanted_nobody_says_that_the_disk_is_full(
    server: FakeServer, box: Box
) -> None:
    plan_noise(server, 1, 1, size=3 * MB)
    box.syncer.sync_once()
    assert "disk" in box.problems.all()
    server.plays.clear()
    server.publish()
    box.syncer.sync_once()
    assert "disk" not in box.problems.all()
    box.close()


def test_a_folder_that_takes_nothing_is_told_and_costs_no_transfer(
    server: FakeServer, box: Box
) -> None:
    first = plan_noise(server, 1, 1, size=MB)
    second = plan_noise(server, 2, 2, size=2 * MB)
    third = plan_noise(server, 3, 3, size=MB // 10)
    folder = box.cache.path(first.sha256).parent
    folder.write_text("no folder")
    for _ in range(3):
        box.syncer.sync_once()
    assert [box.cache.has(clip) for clip in (first, second, third)] == [False, True, True]
    assert fetched(server) == [second.sha256, third.sha256]
    assert str(folder) in box.problems.all()["storage"]
    assert "disk" not in box.problems.all()
    folder.unlink()
    box.syncer.sync_once()
    assert box.cache.has(first)
    assert "storage" not in box.problems.all()
    box.close()


def refuse(box: Box, monkeypatch: pytest.MonkeyPatch, refused: ClipRef, code: int) -> None:
    """The disk breaks each time this clip is being written."""
    real = box.client.fetch_clip

    def fetch_clip(clip: ClipRef, target: Path, cancelled: Callable[[], bool]) -> None:
        if clip.sha256 == refused.sha256:
            raise OSError(code, "the card refuses")
        real(clip, target, cancelled)

    monkeypatch.setattr(box.client, "fetch_clip", fetch_clip)


def test_no_clip_is_removed_in_each_round_for_one_that_the_disk_refuses(
    server: FakeServer, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = [plan_noise(server, number, number, size=MB) for number in (2, 3)]
    box.syncer.sync_once()
    sooner = plan_noise(server, 1, 1, size=MB)
    refuse(box, monkeypatch, sooner, errno.EIO)
    box.syncer.sync_once()
    assert [box.cache.has(clip) for clip in later] == [True, True]
    assert "the card refuses" in box.problems.all()["storage"]
    server.requests.clear()
    for _ in range(3):
        box.syncer.sync_once()
    assert fetched(server) == []
    box.close()


def test_a_file_that_cannot_be_removed_keeps_no_other_from_going(
    server: FakeServer, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = [plan_noise(server, number, number, size=MB // 2) for number in (1, 2, 3)]
    box.syncer.sync_once()
    real = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if path.name == clips[1].sha256:
            raise PermissionError(13, "not yours", str(path))
        real(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    box.cache.clear()
    assert [box.cache.has(clip) for clip in clips] == [False, True, False]
    box.close()
