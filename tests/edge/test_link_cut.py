"""The cable to the village is pulled: while a clip comes, while it sounds, while receipts go up."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from edge.config import Home
from tests.counterparts import require
from tests.edge import netns
from tests.edge.authority import Authority
from tests.edge.conftest import BoxProcess, enrol, wait_for
from tests.edge.fake_server import FakeServer
from tests.edge.netns import Village
from tests.edge.sounds import RATE_HZ, locate, opus, speechlike

pytestmark = [
    pytest.mark.slow,
    pytest.mark.real("netns"),
    pytest.mark.timeout(240),
]
StartBox = Callable[..., BoxProcess]


@pytest.fixture
def village() -> Iterator[Village]:
    require("netns")
    with netns.village() as made:
        yield made


@pytest.fixture
def town(village: Village, tmp_path: Path) -> Iterator[FakeServer]:
    """A server at our end of the cable."""
    authority = Authority(tmp_path / "authority", (village.our_address,))
    with FakeServer(authority, host=village.our_address).running() as running:
        yield running


@pytest.fixture
def remote(town: FakeServer, tmp_path: Path) -> Home:
    """A box enrolled with that server."""
    return enrol(town, tmp_path / "box")


def soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def bring_near(
    town: FakeServer, box: BoxProcess, clips: dict[int, bytes], first_s: float = 15
) -> dict[int, datetime]:
    """Plan the clips, wait (as long as a busy machine needs) until the box holds them decoded,
    then let them sound soon, one after the other. Their instants."""

    def plan(number: int, starts_at: datetime) -> None:
        duration_ms = round(seconds_of(clips[number]) * 1000)
        town.add_play(number, starts_at, town.add_clip(clips[number], duration_ms))

    for number in clips:
        plan(number, soon(3600))
    town.publish()
    wait_for(lambda: all(box.has_ready(clip) for clip in clips.values()), 120, "decoded clips")
    starts, at = {}, soon(first_s)
    for number, clip in clips.items():
        plan(number, at)
        starts[number] = at
        at += timedelta(seconds=seconds_of(clip) + 5)
    town.publish()
    before = asked_for_plan(town)
    wait_for(lambda: asked_for_plan(town) >= before + 2, first_s, "the box to take the plan")
    return starts


def asked_for_plan(server: FakeServer) -> int:
    return sum(path.endswith("/manifest") for _, path, _ in server.requests)


def seconds_of(clip: bytes) -> float:
    return float(sf.info(io.BytesIO(clip)).duration)


def long_clip() -> bytes:
    """Half a megabyte: at 800 kbit/s some five seconds on the way."""
    noise = np.random.default_rng(4).uniform(-0.5, 0.5, 40 * RATE_HZ).astype(np.float32)
    return opus(noise)


def asked_to_go_on(server: FakeServer) -> list[int]:
    """From which byte clips were asked for, where it was not the first."""
    found = []
    for _, path, headers in server.requests:
        wanted = headers.get("Range")
        if "/clips/" in path and wanted:
            found.append(int(wanted.removeprefix("bytes=").split("-")[0]))
    return found


def test_a_fetch_goes_on_where_the_cable_was_pulled(
    town: FakeServer, village: Village, remote: Home, start_box: StartBox
) -> None:
    clip = long_clip()
    town.add_play(7, soon(3600), town.add_clip(clip, 40_000))
    town.publish()
    village.narrow(400)
    box = start_box(remote, prefix=village.inside).ready()

    def arrived() -> int:
        return sum(file.stat().st_size for file in remote.clips.rglob("*.part"))

    wait_for(lambda: arrived() > 60_000, 60, "a good part of the clip")
    village.cable("down")
    # Longer than the box waits for an answer, so it gives the transfer up.
    wait_for(lambda: any("broke off" in line for line in list(box.log)), 60, "the box to notice")
    kept = arrived()
    assert 0 < kept < len(clip)
    village.cable("up")
    village.widen()
    wait_for(lambda: box.has_ready(clip), 90, "the whole clip")
    assert kept in asked_to_go_on(town)
    assert not any(remote.clips.rglob("*.part"))


def test_a_play_sounds_on_while_the_cable_is_pulled_and_so_does_the_next(
    town: FakeServer, village: Village, remote: Home, start_box: StartBox
) -> None:
    clips = {7: opus(speechlike(5)), 8: opus(speechlike(2, 8))}
    box = start_box(remote, prefix=village.inside).ready()
    starts = bring_near(town, box, clips)
    wait_for(lambda: datetime.now(UTC) > starts[7] + timedelta(seconds=1), 40)
    village.cable("down")
    wait_for((remote.sounded / "play-8.wav").exists, 60, "the play in the dark")
    assert not town.receipts
    for number, clip in clips.items():
        found = locate(remote.sounded, number, clip)
        assert abs(found.at - starts[number]) < timedelta(milliseconds=5)
        assert found.likeness > 0.9
    village.cable("up")
    wait_for(lambda: len(town.receipts) == 2, 90, "both receipts")
    assert town.outcomes() == {7: ("played", None), 8: ("played", None)}


def test_receipts_whose_answer_never_came_are_not_counted_twice(
    town: FakeServer, village: Village, remote: Home, start_box: StartBox
) -> None:
    town.hold = threading.Event()
    box = start_box(remote, prefix=village.inside).ready()
    bring_near(town, box, {7: opus(speechlike(1))})
    assert town.held.wait(60), "the receipt is on its way"
    village.cable("down")
    town.hold.set()  # the server keeps it; its answer goes nowhere
    wait_for(lambda: 1 in town.receipts, 30, "the server to keep the receipt")
    wait_for(lambda: any("no round" in line for line in list(box.log)), 60, "the box to notice")
    village.cable("up")

    def posts() -> int:
        return sum(path.endswith("/receipts") for _, path, _ in town.requests)

    wait_for(lambda: posts() >= 2, 60, "the receipt once more")
    wait_for(lambda: town.sounded, 60, "the sound, which goes after the receipts")
    assert town.outcomes() == {7: ("played", None)}
    before = posts()
    time.sleep(2)
    assert posts() == before, "it was acknowledged"


def test_a_box_started_without_a_cable_plays_and_tells_later(
    town: FakeServer, village: Village, remote: Home, start_box: StartBox
) -> None:
    clip = opus(speechlike(1))
    box = start_box(remote, prefix=village.inside).ready()
    starts_at = bring_near(town, box, {7: clip}, 30)[7]
    village.cable("down")
    box.kill()
    start_box(remote, prefix=village.inside).ready()
    wait_for((remote.sounded / "play-7.wav").exists, 60, "the play")
    assert abs(locate(remote.sounded, 7, clip).at - starts_at) < timedelta(milliseconds=5)
    village.cable("up")
    wait_for(lambda: town.outcomes() == {7: ("played", None)}, 90, "the receipt")
