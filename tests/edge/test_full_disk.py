"""A card without any room: the box lives, explains, and plays again when there is room."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import disk_usage

import pytest

from edge.config import Home
from edge.receipts import check_chain
from edge.store import Store
from tests.counterparts import require
from tests.edge.conftest import BoxProcess, enrol, wait_for
from tests.edge.fake_server import FakeServer
from tests.edge.sounds import opus, speechlike

pytestmark = [pytest.mark.slow, pytest.mark.real("netns"), pytest.mark.timeout(240)]
SETTINGS = 'sink = "wav"\npoll_s = 1\ndisk_reserve_mb = 1\n'


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Path]:
    """A file system of 40 MB."""
    require("netns")  # stands for: we are root
    folder = tmp_path / "card"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def filled(card: Path) -> Iterator[None]:
    """Whatever becomes free is taken at once by somebody else."""
    stopped, filler = threading.Event(), card / "filler"

    def fill() -> None:
        with filler.open("ab", buffering=0) as file:
            while not stopped.is_set():
                try:
                    file.write(bytes(16_384))
                except OSError:
                    stopped.wait(0.01)

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        filler.unlink()


def test_a_play_due_on_a_full_card_is_made_up_and_the_next_is_heard_too(
    card: Path, server: FakeServer, start_box: Callable[..., BoxProcess]
) -> None:
    home = enrol(server, card / "box", SETTINGS)
    clip = opus(speechlike(2))
    described = server.add_clip(clip, 2000)
    server.add_play(7, datetime.now(UTC) + timedelta(hours=1), described, make_up_s=60)
    server.publish()
    box = start_box(home).ready()
    wait_for(lambda: box.has_ready(clip), 90, "the decoded clip")
    starts_at = datetime.now(UTC) + timedelta(seconds=6)
    with filled(card):
        server.add_play(7, starts_at, described, make_up_s=60)
        server.publish()
        wait_for(lambda: datetime.now(UTC) > starts_at + timedelta(seconds=8), 60)
        assert box.process.poll() is None, "\n".join(box.log[-20:])
    server.add_play(8, datetime.now(UTC) + timedelta(seconds=12), described)
    server.publish()
    wait_for(lambda: len(server.receipts) == 2, 120, "both receipts")
    assert server.outcomes() == {7: ("played", None), 8: ("played", None)}
    assert box.terminate() < 10
    assert_whole(home)


def fill(card: Path) -> Path:
    """To the last byte."""
    filler = card / "filler"
    with filler.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))
    return filler


def test_a_box_starts_on_a_card_without_any_room_and_its_play_is_heard_and_proved(
    card: Path, server: FakeServer, start_box: Callable[..., BoxProcess]
) -> None:
    home = enrol(server, card / "box", SETTINGS)
    clip = opus(speechlike(2))
    described = server.add_clip(clip, 2000)
    server.add_play(7, datetime.now(UTC) + timedelta(hours=1), described)
    server.publish()
    box = start_box(home).ready()
    wait_for(lambda: box.has_ready(clip), 90, "the decoded clip")
    assert box.terminate() < 10
    for left_over in home.pcm.iterdir():  # only the reserve is to help
        left_over.unlink()
    fill(card)
    assert disk_usage(card).free == 0
    box = start_box(home).ready()
    server.add_play(8, datetime.now(UTC) + timedelta(seconds=12), described)
    server.publish()
    wait_for(lambda: 8 in server.outcomes(), 120, "the receipt")
    assert server.outcomes()[8] == ("played", None)
    assert box.terminate() < 10
    assert_whole(home)


def test_sound_left_over_from_the_last_run_makes_room_for_the_memory(
    card: Path, server: FakeServer, start_box: Callable[..., BoxProcess]
) -> None:
    home = enrol(server, card / "box", SETTINGS)
    box = start_box(home).ready()
    assert box.terminate() < 10
    (home.folder / "reserve").unlink()  # used up by an earlier start
    (home.pcm / "left-over").write_bytes(bytes(2_000_000))
    fill(card)
    box = start_box(home).ready()
    assert box.terminate() < 10


def assert_whole(home: Home) -> None:
    store = Store(home.database_file)
    receipts = store.receipts()
    store.close()
    assert [receipt.seq for receipt in receipts] == list(range(1, len(receipts) + 1))
    assert check_chain(receipts, home.key().public_key()) is None
