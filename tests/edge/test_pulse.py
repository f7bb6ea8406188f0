"""A box on a real PulseAudio whose sound comes out of a pipe: what the village would hear."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from benchmarks.hearing import Place, follow
from benchmarks.pulse import Daemon, Drain
from edge.config import Home
from tests.counterparts import require
from tests.edge.conftest import BoxProcess, enrol, wait_for
from tests.edge.fake_server import FakeServer
from tests.edge.sounds import opus, speechlike

pytestmark = [pytest.mark.slow, pytest.mark.real("pulseaudio"), pytest.mark.timeout(300)]
StartBox = Callable[..., BoxProcess]
URGENT = ("nice", "-n", "-10") if shutil.which("nice") else ()
PIPE_BYTES = 1 << 15  # a deep card: tests run beside other tests
SETTINGS = 'sink = "auto"\npoll_s = 1\n'


@pytest.fixture
def pulse(tmp_path: Path) -> Iterator[Daemon]:
    require("pulseaudio")
    daemon = Daemon(tmp_path / "pulse", ["horn"])
    daemon.start()
    yield daemon
    daemon.kill()


@pytest.fixture
def home(server: FakeServer, tmp_path: Path) -> Home:
    return enrol(server, tmp_path / "box", SETTINGS)


class Village:
    """Plans plays and listens at the horn."""

    def __init__(self, server: FakeServer, daemon: Daemon) -> None:
        self.server, self.daemon = server, daemon
        self.clips: dict[int, bytes] = {}
        self.due: dict[int, datetime] = {}
        self.drain = Drain(daemon, 240, {"horn": 60.0}, PIPE_BYTES)

    def plan(self, play_id: int, in_s: float, lasts_s: float) -> None:
        self.clips[play_id] = opus(speechlike(lasts_s, seed=play_id))
        self.due[play_id] = datetime.now(UTC) + timedelta(seconds=in_s)
        clip = self.server.add_clip(self.clips[play_id], int(lasts_s * 1000))
        self.server.add_play(play_id, self.due[play_id], clip)
        self.server.publish()

    def wait_until(self, play_id: int, second: float) -> None:
        moment = self.due[play_id] + timedelta(seconds=second)
        wait_for(lambda: datetime.now(UTC) > moment, 60)

    def receipt(self, play_id: int) -> dict[str, object]:
        def found() -> list[dict[str, object]]:
            return [one for one in self.server.receipts.values() if one["play_id"] == play_id]

        wait_for(found, 90, f"the receipt of play {play_id}")
        return found()[0]

    def heard(self, play_id: int) -> list[Place]:
        """Half seconds of the clip that came out, and how late."""
        tapes, _ = self.drain.finish()
        clip, _ = sf.read(io.BytesIO(self.clips[play_id]), dtype="float64")
        seconds = np.arange(0, len(clip) / 48000 - 0.99, 0.5)
        return follow(tapes["horn"], clip, self.due[play_id].timestamp(), list(seconds))


@pytest.fixture
def village(server: FakeServer, pulse: Daemon) -> Iterator[Village]:
    made = Village(server, pulse)
    yield made
    made.drain.end()


def test_what_was_approved_comes_out_of_the_sound_card_at_its_instant(
    village: Village, home: Home, start_box: StartBox
) -> None:
    village.plan(7, 20, 4)
    start_box(home, env=village.daemon.env("horn"), prefix=URGENT).ready()
    receipt = village.receipt(7)
    assert (receipt["outcome"], receipt["sink"]) == ("played", "device")
    places = village.heard(7)
    assert len(places) >= 6
    # A busy test machine, not the benchmark: here it is the place that counts.
    assert all(abs(place.error_s) < 0.05 for place in places)
    assert receipt["interrupted_ms"] == 0
    loudness = receipt["loudness_dbfs"]
    assert isinstance(loudness, float)
    assert -40 < loudness < 0


def test_sound_that_was_lost_in_the_middle_goes_on_at_the_right_place(
    village: Village, home: Home, start_box: StartBox
) -> None:
    village.plan(7, 20, 16)
    start_box(home, env=village.daemon.env("horn"), prefix=URGENT).ready()
    village.wait_until(7, 4)
    village.daemon.kill()
    village.wait_until(7, 5)
    village.daemon.start()
    receipt = village.receipt(7)
    assert receipt["outcome"] == "played"
    silent_ms = receipt["interrupted_ms"]
    assert isinstance(silent_ms, int)
    assert silent_ms > 1000
    places = village.heard(7)
    before = [place for place in places if place.at_s < 3]
    after = [place for place in places if place.at_s > 4]
    assert before
    assert after
    assert all(abs(place.error_s) < 0.05 for place in before + after)


def test_a_card_that_comes_after_the_box_is_used_for_the_next_play(
    village: Village, home: Home, start_box: StartBox
) -> None:
    village.daemon.kill()
    village.plan(7, 15, 1)
    start_box(home, env=village.daemon.env("horn"), prefix=URGENT).ready()
    assert village.receipt(7)["sink"] == "wav"
    village.daemon.start()
    village.plan(8, 12, 4)
    assert village.receipt(8)["sink"] == "device"
    assert village.heard(8)
