"""Making sound ready: what is needed first, and what becomes of a clip that cannot be decoded."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import logging
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge import decode
from edge.cache import Cache
from edge.clock import SystemClock
from edge.config import Home, Settings
from edge.manifest import ClipRef
from edge.prepare import Preparer
from tests.edge.fake_server import FakeServer
from tests.edge.sounds import opus, speechlike
from tests.edge.test_sync import Box, later, ref

SOUND = opus(speechlike(2))


@pytest.fixture
def box(home: Home) -> Iterator[Box]:
    box = Box(home)
    yield box
    box.close()


def preparer(box: Box) -> Preparer:
    return Preparer(box.store, box.cache, SystemClock(), lambda: None, box.problems)


def plan(
    server: FakeServer, play_id: int, content: bytes, hours: float = 1, **more: Any
) -> ClipRef:
    clip = server.add_clip(content, 2000)
    server.add_play(play_id, later(hours), clip, **more)
    server.publish()
    return ref(clip)


def clip_requests(server: FakeServer) -> int:
    return sum("/clips/" in path for _, path, _ in server.requests)


class Decoders:
    """Stands for the process: what each next one ends with."""

    def __init__(self, cache: Cache, *codes: int | str) -> None:
        self.codes = list(codes)
        self.begun: list[str] = []
        cache._decode = self  # type: ignore[method-assign, assignment]

    def __call__(self, clip: ClipRef, target: Path) -> tuple[dict[str, float] | None, int | str]:
        self.begun.append(clip.sha256)
        code = self.codes.pop(0) if self.codes else 0
        if code != 0:
            return None, code
        target.write_bytes(bytes(200))
        return {"rate_hz": 48000, "frames": 100, "peak": 0.0}, 0


class Sleeper:
    """A process in the decoder's place that takes a minute."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.begun, self._start = threading.Event(), subprocess.Popen
        patch.setattr("edge.cache.subprocess.Popen", self)

    def __call__(self, _command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        self.begun.set()
        return self._start(["sleep", "60"], **options)


# --- what comes first


def test_the_sound_of_an_emergency_is_made_ready_before_all_programmes(
    server: FakeServer, box: Box
) -> None:
    plan(server, 1, SOUND, hours=0.01)
    urgent = plan(server, 2, SOUND + b"2", hours=0.1, priority=100)
    box.syncer.sync_once()
    decoders = Decoders(box.cache)
    assert preparer(box).prepare_next()
    assert decoders.begun == [urgent.sha256]


def test_what_came_in_while_a_clip_was_decoded_is_next(server: FakeServer, box: Box) -> None:
    first = plan(server, 1, SOUND, hours=0.01)
    second = plan(server, 2, SOUND + b"2", hours=0.02)
    box.syncer.sync_once()
    decoders = Decoders(box.cache)
    work = preparer(box)
    work.prepare_next()
    urgent = plan(server, 3, SOUND + b"3", hours=0.1, priority=100)
    box.syncer.sync_once()
    while work.prepare_next():
        pass
    assert decoders.begun == [first.sha256, urgent.sha256, second.sha256]


def test_two_threads_do_not_decode_at_the_same_time(
    server: FakeServer, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(server, 1, SOUND)
    box.syncer.sync_once()
    inside, most, really = list[int](), list[int](), Cache.prepare

    def prepare(self: Cache, *arguments: Any) -> Any:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.2)
        done = really(self, *arguments)
        inside.pop()
        return done

    monkeypatch.setattr(Cache, "prepare", prepare)
    worker = preparer(box)
    threads = [threading.Thread(target=worker.prepare_next) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1], "the second one finds nothing left to do"


def test_a_long_clip_gives_way_to_an_emergency_while_it_is_decoded(
    server: FakeServer, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.cache._LOOK_S", 0.02)
    long = plan(server, 1, SOUND, hours=0.01)
    box.syncer.sync_once()
    work = preparer(box)
    sleeper = Sleeper(monkeypatch)
    thread = threading.Thread(target=work.prepare_next)
    thread.start()
    assert sleeper.begun.wait(20)
    urgent = plan(server, 2, SOUND + b"2", hours=0.1, priority=100)
    box.syncer.sync_once()
    thread.join(20)
    assert not thread.is_alive()
    assert box.cache.may_prepare(long), "it is put off no longer than the emergency takes"
    assert box.cache.may_prepare(urgent)


# --- what cannot be decoded


def test_a_decoder_ended_with_the_box_costs_no_clip(
    server: FakeServer, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Box(home)
    clip = plan(server, 1, SOUND)
    box.syncer.sync_once()
    sleeper = Sleeper(monkeypatch)
    work = preparer(box)
    work.start()
    assert sleeper.begun.wait(20)
    work.stop()
    work._thread.join(10)
    assert box.cache.has(clip)
    assert box.cache.state(clip) == "preparing"
    assert box.cache.trouble() is None, "the box ended it, nothing is wrong"
    box.close()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-signal.SIGKILL, "signal 9"),  # out of memory
        (1, "code 1"),
        (decode.NO_ROOM, "disk is full"),
        (decode.NOT_SOUND, "no sound"),
        ("it took too long", "took too long"),
    ],
)
def test_what_cannot_be_decoded_stays_here_is_told_and_tried_again_later(
    server: FakeServer,
    box: Box,
    monkeypatch: pytest.MonkeyPatch,
    code: int | str,
    words: str,
) -> None:
    clip = plan(server, 1, SOUND)
    box.syncer.sync_once()
    decoders = Decoders(box.cache, code)
    work = preparer(box)
    assert work.prepare_next()
    assert not work.prepare_next(), "not again at once"
    work._tell()
    assert words in box.problems.all()["prepare"]
    box.syncer.sync_once()
    assert box.cache.has(clip)
    assert clip_requests(server) == 1, "what is here is not fetched again"
    monkeypatch.setattr("edge.cache.time.monotonic", lambda: 1e12)
    assert work.prepare_next()
    work._tell()
    assert len(decoders.begun) == 2
    assert box.cache.state(clip) == "ready"
    assert "prepare" not in box.problems.all()


def test_the_pauses_between_the_tries_grow(
    server: FakeServer,
    box: Box,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL, logger="edge.cache")
    clip = plan(server, 1, SOUND)
    box.syncer.sync_once()
    Decoders(box.cache, *[1] * 1200)
    now_s = 1e6
    monkeypatch.setattr("edge.cache.time.monotonic", lambda: now_s)
    pauses = []
    for _ in range(1200):
        box.cache.prepare(clip)
        until_s = box.cache._put_off[clip.sha256].until_s
        pauses.append(until_s - now_s)
        now_s = until_s
    assert pauses[:3] == [5, 10, 20]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 600


def test_a_clip_that_is_no_sound_is_explained_as_damaged(server: FakeServer, box: Box) -> None:
    clip = plan(server, 1, b"no sound at all" * 100)
    box.syncer.sync_once()
    assert box.cache.prepare(clip) == "damaged"
    assert box.cache.has(clip)


def test_a_place_of_the_card_that_cannot_be_read_is_fetched_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_file: Path) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", broken)
    code = decode.decode(tmp_path / "clip", "0" * 64, tmp_path / "pcm", 60)
    assert code == decode.WRONG_HASH


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_in_the_middle_is_told_from_a_bad_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    clip = tmp_path / "clip"
    clip.write_bytes(SOUND)

    def full(_descriptor: int) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr("edge.decode.os.fsync", full)
    code = decode.decode(clip, hashlib.sha256(SOUND).hexdigest(), tmp_path / "pcm", 60)
    assert code == decode.NO_ROOM


# --- room for it


class Disk:
    """Says how much is free."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, free_bytes: int, cache: Cache) -> None:
        self.left_bytes, self.cache = free_bytes, cache
        self.before_bytes = cache.used_bytes()
        monkeypatch.setattr("edge.room.shutil.disk_usage", self)

    def __call__(self, _folder: Path) -> Any:
        removed_bytes = self.before_bytes - self.cache.used_bytes()
        return shutil._ntuple_diskusage(0, 0, self.left_bytes + removed_bytes)  # type: ignore[attr-defined]


def noise(number: int, size: int) -> bytes:
    return bytes([number]) * size


def test_decoded_sound_takes_the_place_of_what_is_needed_last(
    server: FakeServer, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = [plan(server, number, noise(number, 1000), hours=number) for number in (1, 2)]
    far = [plan(server, number, noise(number, 1_000_000), hours=number) for number in (3, 4, 5)]
    box.syncer.sync_once()
    long = dataclasses.replace(soon[0], duration_ms=100_000)  # 9.6 MB
    Disk(monkeypatch, 12_000_000, box.cache)  # 4 MB of them are left alone
    Decoders(box.cache)
    assert box.cache.prepare(long, [clip.sha256 for clip in far]) == "ready"
    assert [box.cache.has(clip) for clip in far] == [True, False, False]


def test_nothing_is_removed_for_sound_that_would_not_fit_even_then(
    server: FakeServer, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = plan(server, 1, noise(1, 1000), hours=1)
    far = plan(server, 3, noise(3, 1_000_000), hours=3)
    box.syncer.sync_once()
    Disk(monkeypatch, 5_000_000, box.cache)
    decoders = Decoders(box.cache)
    long = dataclasses.replace(first, duration_ms=100_000)
    assert box.cache.prepare(long, [far.sha256]) == "preparing"
    assert decoders.begun == []
    assert "no room" in (box.cache.trouble() or "")
    assert box.cache.has(far)


def test_a_later_clip_does_not_take_the_room_of_sound_that_is_decoded_next(
    server: FakeServer, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be removed and fetched again with every play."""
    box = Box(home, Settings(sink="wav", disk_reserve_mb=1))
    soon = plan(server, 1, noise(1, 1000), hours=0.01)
    far = plan(server, 2, noise(2, 1_000_000), hours=50)
    box.cache.expect([dataclasses.replace(soon, duration_ms=100_000)])
    Disk(monkeypatch, 11_000_000, box.cache)
    box.syncer.sync_once()
    assert box.cache.has(soon)
    assert not box.cache.has(far)
    assert "disk" in box.problems.all()
    box.close()


def test_what_came_of_a_clip_already_needs_no_room_again(server: FakeServer, home: Home) -> None:
    box = Box(home, Settings(sink="wav", cache_limit_mb=1.2))
    clip = plan(server, 1, noise(1, 1_000_000))
    part = box.cache.path(clip.sha256).with_name(clip.sha256 + ".part")
    part.parent.mkdir(parents=True)
    part.write_bytes(noise(1, 900_000))
    box.syncer.sync_once()
    assert box.cache.has(clip)
    box.close()


def test_problems_of_a_clip_that_sounds_no_more_are_over(server: FakeServer, box: Box) -> None:
    plan(server, 1, SOUND)
    box.syncer.sync_once()
    Decoders(box.cache, 1)
    work = preparer(box)
    work.prepare_next()
    assert box.cache.trouble()
    server.plays.clear()
    server.publish()
    box.syncer.sync_once()
    work.prepare_next()
    assert box.cache.trouble() is None
