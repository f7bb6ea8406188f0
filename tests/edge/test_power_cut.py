"""The power goes at every single step by which the box writes to its card.

A camera photographs the home folder before and after each commit, fsync and rename while two plays
sound. From each photograph, and from those whose last unsynced file came out empty, a box starts:
every play ends with one receipt, the chain is whole, and what sounded to its end is not repeated.
"""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from edge import device
from edge.box import Box
from edge.cache import Cache
from edge.clock import instant
from edge.config import Home, Identity
from edge.receipts import check_chain
from edge.safefile import SafeFile
from edge.store import Store
from tests.edge.authority import Authority
from tests.edge.conftest import wait_for
from tests.edge.fake_server import AREA, FakeServer
from tests.edge.sounds import opus, speechlike
from tests.edge.test_box import ObedientSink
from tests.edge.turnable import TurnableClock

CLIP = opus(speechlike(0.4))
FIRST, SECOND = 7, 8


class RunningClock:
    """Goes like ours, from an instant of its own."""

    def __init__(self, wall_s: float = 1_780_272_000.0) -> None:
        self._ahead_s = wall_s - time.monotonic()

    def wall_s(self) -> float:
        return time.monotonic() + self._ahead_s

    def mono_s(self) -> float:
        return time.monotonic()


@dataclass
class Photograph:
    """A home folder at one instant. ``heard``: plays that had sounded to their end by then."""

    folder: Path
    what: str
    wall_s: float
    heard: frozenset[int]


@dataclass
class Camera:
    """Photographs ``home`` into ``album``."""

    home: Path
    album: Path
    clock: RunningClock
    lock: threading.RLock = field(default_factory=threading.RLock)
    pictures: list[Photograph] = field(default_factory=list)
    on: bool = True

    def shoot(self, what: str, emptied: Path | None = None) -> None:
        """``emptied``: the file whose content had not reached the card yet."""
        if not self.on:
            return
        with self.lock:
            target = self.album / f"{len(self.pictures):03d}"
            shutil.copytree(self.home, target, ignore=shutil.ignore_patterns("reserve"))
            if emptied is not None and emptied.is_relative_to(self.home):
                (target / emptied.relative_to(self.home)).write_bytes(b"")
            now_s = self.clock.wall_s()
            self.pictures.append(Photograph(target, what, now_s, told_whole(target)))


def told_whole(folder: Path) -> frozenset[int]:
    """Plays of which a file says that they sounded to their end."""
    found = set()
    for file in (folder / "sounded").glob("*.json"):
        try:
            facts = json.loads(file.read_bytes())
        except ValueError:
            continue
        if facts["complete"]:
            found.add(int(facts["play_id"]))
    return frozenset(found)


@contextmanager
def photographed(camera: Camera, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every commit, fsync and rename of this process is photographed."""
    real_fsync, real_replace, real_write = os.fsync, Path.replace, SafeFile.write

    def fsync(descriptor: int) -> None:
        file = Path(f"/proc/self/fd/{descriptor}").readlink()
        if file.is_relative_to(camera.home) and file.is_file():
            camera.shoot(f"before fsync of {file.name}", file)
        real_fsync(descriptor)
        camera.shoot(f"after fsync of {file.name}")

    def replace(self: Path, target: Path) -> Path:
        camera.shoot(f"before {self.name} is renamed")
        moved = real_replace(self, target)
        camera.shoot(f"after {self.name} was renamed")
        return moved

    @contextmanager
    def write(self: SafeFile) -> Iterator[Any]:
        camera.lock = self._lock  # nobody writes to the memory while it is photographed
        camera.shoot("before a transaction")
        with real_write(self) as connection:
            yield connection
        camera.shoot("after a transaction")

    with patch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        patched.setattr(Path, "replace", replace)
        patched.setattr(SafeFile, "write", write)
        yield


def decode_here(self: Cache, clip: Any, target: Path) -> tuple[dict[str, float] | None, int | str]:
    """Without a process of its own, which would take longer than all the rest."""
    samples, rate_hz = sf.read(io.BytesIO(self.path(clip.sha256).read_bytes()), dtype="float32")
    pcm = np.round(samples * 32767).astype("<i2")
    target.write_bytes(pcm.tobytes())
    return {"rate_hz": rate_hz, "frames": len(pcm), "peak": float(np.abs(samples).max())}, 0


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A box with its clip that no network reaches."""
    monkeypatch.setattr(Cache, "_decode", decode_here)
    found = Home(tmp_path / "box")
    found.make_folders()
    found.new_key()
    return found


def prepare(home: Home, tmp_path: Path, starts_s: dict[int, float]) -> None:
    """Enrol it and give it a signed list."""
    town = FakeServer(Authority(tmp_path / "authority"))
    described = town.add_clip(CLIP, 400)
    kept = home.clips / described["sha256"][:2] / described["sha256"]
    kept.parent.mkdir()
    kept.write_bytes(CLIP)
    key = base64.b64encode(town.signing_key.public_key().public_bytes_raw()).decode()
    # Port 9 on this machine answers nobody.
    url = "https://127.0.0.1:9"
    home.save_enrolment(
        Identity(url, False, "p-1", AREA, "t", key, "Asia/Shanghai", "", None), None
    )
    home.settings_file.write_text('sink = "wav"\n')
    for number, at_s in starts_s.items():
        town.add_play(number, instant(at_s), described, make_up_s=3600)
    issued = instant(min(starts_s.values()) - 60)
    store = Store(home.database_file)
    store.remember("manifest", town.publish(issued).decode())
    store.close()


def live_through(home: Home, tmp_path: Path, patch: pytest.MonkeyPatch) -> list[Photograph]:
    """Two plays by the real WAV sink, photographed."""
    clock = RunningClock()
    first_s = clock.wall_s() + 4
    prepare(home, tmp_path, {FIRST: first_s, SECOND: first_s + 3})
    camera = Camera(home.folder, tmp_path / "album", clock)
    camera.album.mkdir()
    with photographed(camera, patch):
        box = Box(home, clock)
        box.start()
        loop = threading.Thread(target=box.run_forever)
        loop.start()
        try:
            wait_for(lambda: len(box.store.receipts()) == 2, 60, "two receipts")
        finally:
            box.stop()
            loop.join(10)
            camera.on = False
            box.close()
    return camera.pictures


def take_up(picture: Photograph, patch: pytest.MonkeyPatch) -> tuple[list[Any], list[int], Home]:
    """A box starts from the photograph and lives to the end of the day: its receipts, and what
    it sounded."""
    clock = TurnableClock(picture.wall_s + 5)
    sink = ObedientSink(clock)
    sink.may_end.set()
    patch.setattr(device, "choose", lambda *_: sink)
    home = Home(picture.folder)
    box = Box(home, clock)
    box.start()
    try:
        for _ in range(60):
            box._preparer.prepare_next()
            box.tick()
            on_air = box._on_air
            if on_air is not None:
                wait_for(on_air.result, 30, "the sink")
            clock.pass_(0.5 if box.store.open_entries() else 3600)
            if on_air is None and not box.store.open_entries():
                break
        return box.store.receipts(), sink.order, home
    finally:
        box.close()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_from_every_photograph_each_play_gets_one_receipt_and_none_is_heard_twice(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = live_through(home, tmp_path, monkeypatch)
    assert len(pictures) > 30
    wrong = []
    for picture in pictures:
        receipts, sounded, found = take_up(picture, monkeypatch)
        bodies = [json.loads(receipt.body) for receipt in receipts]
        told = sorted(body["play_id"] for body in bodies)
        where = f"{picture.folder.name} {picture.what}"
        if told != [FIRST, SECOND]:
            wrong.append(f"{where}: receipts of {told}")
        if [body["seq"] for body in bodies] != list(range(1, len(bodies) + 1)):
            wrong.append(f"{where}: numbers {[body['seq'] for body in bodies]}")
        if check_chain(receipts, found.key().public_key()) is not None:
            wrong.append(f"{where}: the chain is broken")
        if twice := picture.heard & set(sounded):
            wrong.append(f"{where}: {twice} heard twice")
        for body in bodies:
            if body["outcome"] == "missed" and not body["reason"]:
                wrong.append(f"{where}: {body['play_id']} missed without a reason")
    assert not wrong, "\n".join(wrong)


def test_a_memory_that_vanished_is_taken_from_its_copy(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fsck may drop a file, or leave it without content."""
    starts = TurnableClock().wall_s()
    prepare(home, tmp_path, {FIRST: starts})
    store = Store(home.database_file)
    store.remember("sign", "of life")
    store._db.save_copy()
    store.close()
    for damage in (Path.unlink, lambda file: file.write_bytes(b"")):
        for rest in home.folder.glob(home.database_file.name + "-*"):
            rest.unlink()
        damage(home.database_file)
        store = Store(home.database_file)
        assert store.fact("sign") == "of life"
        assert not store.started_anew
        store._db.save_copy()
        store.close()


def test_a_memory_that_vanished_with_its_copy_is_told_as_lost(home: Home, tmp_path: Path) -> None:
    prepare(home, tmp_path, {FIRST: TurnableClock().wall_s() + timedelta(hours=1).seconds})
    store = Store(home.database_file)
    assert not store.started_anew
    store.close()
    for file in home.folder.glob(home.database_file.name + "*"):
        if file.suffix != ".exists":
            file.unlink()
    store = Store(home.database_file)
    assert store.started_anew
    store.close()
