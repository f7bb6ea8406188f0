"""The server's clock ran ahead and is set back: a whole box hears at once what is said then.

The lists are the server's own; the box fetches them by HTTPS and looks when it is told to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from broadcast import manifest, override_plays, override_sound
from broadcast.keys import ServerKey
from broadcast.models import Override
from core.blobs import BlobStore
from core.clock import FakeClock, utc_now
from core.settings import Settings
from edge import device
from edge.box import Box
from edge.follow import Follower
from edge.guided import AGAIN_S, GuidedClock
from recordings.clips import ClipFacts
from tests.broadcast.test_override import Desk
from tests.broadcast.test_override import desk as desk
from tests.broadcast.test_override import keeper as keeper
from tests.broadcast.test_override import official as official
from tests.edge.authority import Authority
from tests.edge.conftest import enrol, wait_for
from tests.edge.fake_server import FakeServer
from tests.edge.test_box import CLIP, ObedientSink
from tests.edge.turnable import TurnableClock
from tests.schedule.town import VILLAGES

VILLAGE = VILLAGES[0]
AHEAD = timedelta(hours=8)
START_S = override_plays.FIRST_ROUND_IN.total_seconds()


@pytest.fixture
def quick_sound(monkeypatch: pytest.MonkeyPatch, store: BlobStore) -> None:
    """A sound that boxes can decode, without speaking it."""

    def render(_wanted: object, store: BlobStore, _folder: object) -> ClipFacts:
        return ClipFacts(store.put_bytes(CLIP), "delivery", "audio/ogg", "opus", 1000, 48_000, 1)

    monkeypatch.setattr(override_sound, "render", render)


class Road(FakeServer):
    """Hands out what it is given and tells the time by the server's clock."""

    def now(self) -> datetime:
        return utc_now()


class Village:
    """One box and the server it listens to; both clocks are turned by hand."""

    def __init__(
        self, desk: Desk, key: ServerKey, road: Road, box: Box, machine: TurnableClock,
        server_clock: FakeClock,
    ) -> None:  # fmt: skip
        self.desk, self.key, self.road, self.box = desk, key, road, box
        self.machine, self.server_clock = machine, server_clock

    def pass_(self, seconds: float) -> None:
        self.machine.pass_(seconds)
        self.server_clock.advance(timedelta(seconds=seconds))

    def offer(self) -> int:
        """Let the server hand out its list of this moment; returns its version."""
        with self.desk.database.write() as session:
            found = manifest.build(session, VILLAGE)
        self.road.envelope = json.dumps(manifest.sign(self.key, found)).encode()
        self.box._syncer.wake()
        return found.version

    def fetch(self) -> None:
        """The box has the server's list of this moment in force, and has looked."""
        version = self.offer()
        wait_for(lambda: self.held() == version, 20, f"list {version}")
        self.box.tick()

    def held(self) -> int:
        found = self.box._syncer.manifest
        return found.version if found else 0

    def hear(self, found: Override) -> None:
        """Its first round comes and begins to sound."""
        self.fetch()
        (clip,) = self.road.clips
        wait_for(lambda: clip in self.box._cache._ready, 60, "the clip to be decoded")
        self.pass_(START_S)
        self.box.tick()
        first = self.desk.rounds(override_id=found.id, area_code=VILLAGE)[0]
        assert self.sounding() == first.id
        wait_for(lambda: self.box._on_air is not None and self.box._on_air.begun)

    def sounding(self) -> int | None:
        return self.box._on_air.play.play_id if self.box._on_air else None


Enter = Callable[..., Village]


@pytest.fixture
def enter(
    desk: Desk, config: Settings, tmp_path: Path, fake_clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Enter]:  # fmt: skip
    """Let a box in: whether something keeps its clock, and how far that is off."""
    road, key, boxes = Road(Authority(tmp_path / "authority")), ServerKey.from_settings(config), []
    road.signing_key = key._private
    road.clips = {desk.store.put_bytes(CLIP): CLIP}
    monkeypatch.setattr(Follower, "mostly_lost", False)

    def enter(*, is_kept: bool, off: timedelta = timedelta(0)) -> Village:
        monkeypatch.setattr(GuidedClock.__init__, "__defaults__", (lambda: is_kept,))
        home = enrol(road, tmp_path / "box", 'sink = "wav"\npoll_s = 60\n')
        identity = replace(home.identity(), area_code=VILLAGE)
        home.save_enrolment(identity, road.authority.ca.read_bytes())
        machine = TurnableClock((utc_now() + off).timestamp())
        monkeypatch.setattr(device, "choose", lambda *_: ObedientSink(machine))
        boxes.append(Box(home, machine))
        found = Village(desk, key, road, boxes[0], machine, fake_clock)
        found.offer()
        boxes[0].start()
        wait_for(lambda: found.held() > 0, 20, "the first list")
        return found

    with road.running():
        yield enter
        for box in boxes:
            box.close()


@pytest.mark.parametrize("is_kept", [True, False], ids=["kept by something", "agreed on"])
def test_once_the_server_s_clock_is_right_again_a_stop_and_an_emergency_arrive(
    desk: Desk, enter: Enter, fake_clock: FakeClock, is_kept: bool
) -> None:
    """What the clock that ran ahead had ended is stopped as ever."""
    village = enter(is_kept=is_kept)
    flood = desk.on_air(valid_minutes=60)
    village.hear(flood)
    fake_clock.advance(AHEAD)
    desk.keeper.run_once()
    assert desk.read(flood).state == "ended"
    village.fetch()
    assert village.sounding() is not None, "it has merely run out"
    fake_clock.advance(-AHEAD)
    assert desk.cancel(flood)
    village.fetch()
    assert village.sounding() is None
    village.hear(desk.on_air(form_token="form-2"))


def test_what_was_started_while_the_server_ran_ahead_is_stopped_where_it_was_believed(
    desk: Desk, enter: Enter, fake_clock: FakeClock
) -> None:
    """The box has no clock of its own and came to the server in its wrong hours."""
    fake_clock.advance(AHEAD)
    village = enter(is_kept=False, off=-timedelta(days=20))
    village.pass_(AGAIN_S)
    village.box._syncer.resync()
    wait_for(lambda: village.box.clock.is_led, 20, "the server's time")
    flood = desk.on_air()
    village.hear(flood)
    fake_clock.advance(-AHEAD)
    assert desk.cancel(flood)
    village.fetch()
    assert village.sounding() is None


def test_a_list_from_before_the_correction_that_is_played_back_is_refused(
    desk: Desk, enter: Enter, fake_clock: FakeClock
) -> None:
    village = enter(is_kept=True)
    fake_clock.advance(AHEAD)
    flood = desk.on_air()
    village.fetch()
    ahead = village.road.envelope
    fake_clock.advance(-AHEAD)
    desk.cancel(flood)
    village.fetch()
    in_force = village.held()
    village.road.envelope = ahead
    village.box._syncer.wake()
    problems = village.box._problems
    wait_for(lambda: "manifest" in problems.all(), 20, "the refusal")
    assert "outdated" in problems.all()["manifest"]
    assert village.held() == in_force
