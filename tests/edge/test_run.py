"""The box as a process: on time, alone, killed, stopped, and with its clock set."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from edge.config import Home
from edge.store import Store
from tests.edge.conftest import ROOT, BoxProcess, wait_for
from tests.edge.fake_server import FakeServer
from tests.edge.sounds import locate, opus, speechlike

pytestmark = pytest.mark.slow
StartBox = Callable[..., BoxProcess]
ON_TIME = timedelta(milliseconds=5)


def soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def on_air(home: Home) -> Callable[[], bool]:
    return lambda: any(home.sounded.glob("*.part"))


def state_of(home: Home, play_id: int) -> str:
    store = Store(home.database_file)
    rows = store._db.rows("SELECT state FROM play WHERE play_id = ?", (play_id,))
    store.close()
    return str(rows[0][0]) if rows else "unknown"


def test_an_approved_clip_is_heard_at_its_instant_and_proved(
    server: FakeServer, home: Home, start_box: StartBox
) -> None:
    clip = opus(speechlike(2))
    starts_at = soon(10)
    server.add_play(7, starts_at, server.add_clip(clip, 2000))
    server.publish()
    start_box(home).ready()
    wait_for(lambda: server.receipts and server.sounded, 25, "a receipt and the sound")
    found = locate(home.sounded, 7, clip)
    assert abs(found.at - starts_at) < ON_TIME
    assert found.likeness > 0.9
    receipt = server.receipts[1]
    assert (receipt["outcome"], receipt["play_id"], receipt["sink"]) == ("played", 7, "wav")
    assert abs(receipt["start_error_ms"]) < 5
    assert server.sounded[7].startswith(b"OggS")


def test_server_gone_the_clip_is_heard_and_the_receipt_waits(
    server: FakeServer, home: Home, start_box: StartBox
) -> None:
    clip = opus(speechlike(1))
    starts_at = soon(20)
    server.add_play(7, starts_at, server.add_clip(clip, 1000))
    server.publish()
    box = start_box(home).ready()
    wait_for(lambda: box.has_ready(clip), what="the clip to be decoded")
    server.down = True
    box.kill()
    start_box(home).ready()
    wait_for(lambda: (home.sounded / "play-7.wav").exists(), 40, "the play")
    assert abs(locate(home.sounded, 7, clip).at - starts_at) < ON_TIME
    assert not server.receipts
    server.down = False
    wait_for(lambda: server.outcomes() == {7: ("played", None)}, what="the receipt")


def test_killed_in_the_middle_it_makes_the_play_up_from_its_start(
    server: FakeServer, home: Home, start_box: StartBox
) -> None:
    clip = opus(speechlike(3))
    starts_at = soon(10)
    server.add_play(7, starts_at, server.add_clip(clip, 3000), make_up_s=60)
    server.publish()
    box = start_box(home).ready()
    wait_for(lambda: datetime.now(UTC) > starts_at + timedelta(seconds=1) and on_air(home)())
    box.kill()
    assert state_of(home, 7) == "sounding"
    start_box(home).ready()
    wait_for(lambda: bool(server.receipts), 30, "a receipt")
    assert server.outcomes() == {7: ("played", None)}
    found = locate(home.sounded, 7, clip)
    assert found.likeness > 0.9
    assert found.at > starts_at + timedelta(seconds=1)
    # What the receipt says is what the sink did, lateness included.
    said = server.receipts[1]["start_error_ms"] / 1000
    assert abs(said - (found.at - starts_at).total_seconds()) < 0.005


def test_killed_in_the_middle_without_time_left_it_says_interrupted(
    server: FakeServer, home: Home, start_box: StartBox
) -> None:
    starts_at = soon(10)
    server.add_play(7, starts_at, server.add_clip(opus(speechlike(4)), 4000), make_up_s=0)
    server.publish()
    box = start_box(home).ready()
    wait_for(lambda: datetime.now(UTC) > starts_at + timedelta(seconds=1.5) and on_air(home)())
    box.kill()
    wait_for(lambda: datetime.now(UTC) > starts_at + timedelta(seconds=2.2))
    start_box(home).ready()
    wait_for(lambda: bool(server.receipts), what="a receipt")
    assert server.outcomes() == {7: ("missed", "interrupted")}


@pytest.mark.parametrize("committed", [True, False])
def test_killed_while_sending_a_receipt_it_sends_it_again(
    server: FakeServer, home: Home, start_box: StartBox, committed: bool
) -> None:
    server.hold = threading.Event()
    server.add_play(7, soon(10), server.add_clip(opus(speechlike(1)), 1000))
    server.publish()
    box = start_box(home).ready()
    wait_for(server.held.is_set, what="the receipt to be on its way")
    if committed:
        server.drop_answers_to.add("/receipts")
        server.hold.set()
        wait_for(lambda: bool(server.receipts), what="the commit")
    box.kill()
    server.drop_answers_to.clear()
    server.hold.set()
    server.hold = None
    server.receipts = {} if not committed else server.receipts
    start_box(home).ready()
    store = Store(home.database_file)
    wait_for(lambda: not store.receipts(unsent_only=True), what="the acknowledgement")
    assert len(store.receipts()) == 1
    store.close()
    assert server.outcomes() == {7: ("played", None)}


def test_sigterm_ends_it_within_three_seconds_even_while_sounding(
    server: FakeServer, home: Home, start_box: StartBox
) -> None:
    starts_at = soon(10)
    server.add_play(7, starts_at, server.add_clip(opus(speechlike(20)), 20000), make_up_s=60)
    server.publish()
    box = start_box(home).ready()
    wait_for(lambda: datetime.now(UTC) > starts_at + timedelta(seconds=1) and on_air(home)())
    assert box.terminate() < 3
    assert state_of(home, 7) == "waiting"
    assert not server.receipts


def test_a_second_box_in_the_same_folder_is_refused(home: Home, start_box: StartBox) -> None:
    start_box(home).ready()
    second = subprocess.run(
        [sys.executable, "-m", "edge", "run", "--home", str(home.folder)],
        cwd=ROOT, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert second.returncode == 1
    assert "another player is running" in second.stderr
