"""The loop of the box, looked at step by step: a clock turned by hand, a sink told when to end."""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from edge import device
from edge.box import Box
from edge.clock import Timeline, instant, iso
from edge.config import Home, Identity
from edge.errors import CardAway, SinkFailed
from edge.follow import Follower
from edge.plan import MAX_ATTEMPTS
from edge.sinks import Sounded
from edge.store import Store
from tests.edge.authority import Authority
from tests.edge.conftest import wait_for
from tests.edge.fake_server import AREA, FakeServer
from tests.edge.sounds import opus, speechlike
from tests.edge.turnable import TurnableClock

CLIP = opus(speechlike(1))


class ObedientSink:
    """Begins at once and ends when told to."""

    kind = "wav"

    def __init__(self, clock: TurnableClock) -> None:
        self.clock = clock
        self.may_end = threading.Event()
        self.failures, self.failure = 0, SinkFailed("told to fail")
        self.begins = True
        self.order: list[int] = []

    def sound(
        self, play_id: int, source: Follower, timeline: Timeline, stop: threading.Event
    ) -> Sounded:
        self.order.append(play_id)
        if self.failures:
            self.failures -= 1
            raise self.failure
        frame = 0
        while not source.done:
            if source.begun or not self.begins:
                while not stop.is_set() and not self.may_end.is_set():
                    stop.wait(0.005)
            if stop.is_set():
                break
            source.block(960, frame, self.clock.mono_s() + frame / source.rate_hz)
            frame += 960
        now_s = self.clock.wall_s()
        return Sounded(now_s if source.begun else None, now_s, 0, None)


class Village:
    """A box without a network, its clock and its sink."""

    def __init__(self, folder: Path) -> None:
        self.clock = TurnableClock()
        self.town = FakeServer(Authority(folder / "authority"))
        self.clip = self.town.add_clip(CLIP, 1000)
        self.home = Home(folder / "box")
        self.home.make_folders()
        self.home.new_key()
        kept = self.home.clips / self.clip["sha256"][:2] / self.clip["sha256"]
        kept.parent.mkdir()
        kept.write_bytes(CLIP)
        key = base64.b64encode(self.town.signing_key.public_key().public_bytes_raw()).decode()
        # Port 9 on this machine answers nobody.
        identity = Identity(
            "https://127.0.0.1:9", False, "p-1", AREA, "t", key, "Asia/Shanghai", "", None
        )
        self.home.save_enrolment(identity, None)
        self.sink = ObedientSink(self.clock)
        self.boxes: list[Box] = []

    def publish(self) -> None:
        """What the last round with the server brought."""
        self.clock.pass_(0.001)
        envelope = self.town.publish(instant(self.clock.wall_s()))
        if self.boxes:
            self.box._syncer.manifest = self.box._syncer._verify(envelope)
            self.box.store.accept(self.box._syncer.manifest, envelope, self.now)
        else:
            store = Store(self.home.database_file)
            store.remember("manifest", envelope.decode())
            store.close()

    def start(self, *, ready: bool = True) -> Box:
        box = Box(self.home, self.clock)
        self.boxes.append(box)
        box.start()
        if ready:
            sha256 = hashlib.sha256(CLIP).hexdigest()
            wait_for(lambda: sha256 in box._cache._ready, 60, "the clip to be decoded")
        return box

    @property
    def box(self) -> Box:
        return self.boxes[-1]

    @property
    def now(self) -> datetime:
        return instant(self.clock.wall_s())

    def at(self, seconds: float) -> datetime:
        return instant(self.clock.wall_s()) + timedelta(seconds=seconds)

    def look(self) -> None:
        self.box.tick()

    def sounding(self) -> int | None:
        on_air = self.box._on_air
        return on_air.play.play_id if on_air else None

    def begun(self) -> bool:
        return self.box._on_air is not None and self.box._on_air.begun

    def finish(self) -> None:
        """Let the sink end, and look."""
        on_air = self.box._on_air
        assert on_air is not None
        self.sink.may_end.set()
        wait_for(on_air.result)
        self.sink.may_end.clear()
        self.look()

    def outcomes(self) -> list[tuple[int, str, str | None]]:
        bodies = [json.loads(receipt.body) for receipt in self.box.store.receipts()]
        return [(body["play_id"], body["outcome"], body["reason"]) for body in bodies]


@pytest.fixture
def village(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Village]:
    village = Village(tmp_path)
    monkeypatch.setattr(device, "choose", lambda *_: village.sink)
    # The clock is turned by hand while the stand-in for a card takes nothing.
    monkeypatch.setattr(Follower, "mostly_lost", False)
    # Nobody keeps this machine's clock, and no server will ever speak: what is late is known.
    monkeypatch.setattr("edge.guided.PATIENCE_S", 0.0)
    yield village
    for box in village.boxes:
        box.close()


Plan = Callable[..., None]


@pytest.fixture
def plan(village: Village) -> Plan:
    """Plan plays: id, seconds from now, priority; and what becomes of those broken off."""

    def make(
        *plays: tuple[int, float, int],
        make_up_s: float = 3600,
        on_interrupt: dict[int, str] | None = None,
    ) -> None:
        for play_id, seconds, priority in plays:
            made = village.town.add_play(
                play_id, village.at(seconds), village.clip, priority=priority, make_up_s=make_up_s
            )
            made["on_interrupt"] = (on_interrupt or {}).get(play_id, "restart")
        village.publish()

    return make


def test_a_play_begins_at_its_time_and_ends_in_one_receipt(village: Village, plan: Plan) -> None:
    plan((1, 60, 50))
    village.start()
    village.look()
    assert village.sounding() is None
    village.clock.pass_(59)
    village.look()
    assert village.sounding() == 1
    wait_for(village.begun)
    village.finish()
    village.clock.pass_(600)
    village.look()
    assert village.outcomes() == [(1, "played", None)]
    assert village.sink.order == [1]


def test_what_was_interrupted_by_something_more_urgent_is_made_up_from_its_start(
    village: Village, plan: Plan
) -> None:
    plan((1, 10, 50), (2, 15, 100))
    village.start()
    village.clock.pass_(9)
    village.look()
    wait_for(village.begun)
    village.clock.pass_(5)
    village.look()
    assert village.sounding() == 2
    wait_for(village.begun)
    village.clock.pass_(3)
    village.finish()
    wait_for(village.begun)
    assert village.sounding() == 1
    village.finish()
    assert village.sink.order == [1, 2, 1]
    assert village.outcomes() == [(2, "played", None), (1, "played", None)]


def test_a_play_withdrawn_while_it_sounds_is_cut_and_explained(
    village: Village, plan: Plan
) -> None:
    plan((1, 10, 50))
    village.start()
    village.clock.pass_(9)
    village.look()
    wait_for(village.begun)
    village.town.plays.clear()
    village.publish()
    village.look()
    assert village.sounding() is None
    assert village.outcomes() == [(1, "missed", "withdrawn")]


def test_a_play_listed_no_more_because_it_ran_out_sounds_to_its_end(
    village: Village, plan: Plan
) -> None:
    plan((1, 10, 50), make_up_s=0)
    village.start()
    village.clock.pass_(9)
    village.look()
    wait_for(village.begun)
    village.clock.pass_(2)
    village.town.plays.clear()
    village.publish()
    village.look()
    assert village.sounding() == 1
    village.finish()
    assert village.outcomes() == [(1, "played", None)]


def break_in(village: Village, plan: Plan) -> None:
    plan((1, 10, 100), make_up_s=0)
    village.town.plays[0]["kind"] = "emergency"
    village.publish()
    village.start()
    village.clock.pass_(9)
    village.look()
    wait_for(village.begun)


def test_a_break_in_is_told_while_it_sounds(village: Village, plan: Plan) -> None:
    break_in(village, plan)
    on_air = village.box._on_air
    assert on_air is not None
    village.look()
    told = {"play_id": 1, "outcome": "sounding", "at": iso(on_air.at)}
    assert village.box.office.report()["last_play"] == told
    village.finish()
    assert village.box.office.report()["last_play"]["outcome"] == "played"


def test_a_programme_is_told_by_its_receipt_alone(village: Village, plan: Plan) -> None:
    plan((1, 10, 50))
    village.start()
    village.clock.pass_(9)
    village.look()
    wait_for(village.begun)
    village.look()
    assert village.box.office.report()["last_play"] is None


def test_a_break_in_is_cut_although_it_could_begin_no_more(village: Village, plan: Plan) -> None:
    break_in(village, plan)
    village.clock.pass_(2)
    village.town.plays.clear()
    village.publish()
    village.look()
    assert village.sounding() is None
    assert village.outcomes() == [(1, "missed", "withdrawn")]


def test_a_clock_set_back_under_an_armed_play_disarms_it(village: Village, plan: Plan) -> None:
    plan((1, 10, 50))
    village.sink.begins = False
    village.start()
    village.clock.pass_(9)
    village.look()
    assert village.sounding() == 1
    village.clock.step(-300)
    village.look()
    assert village.sounding() is None
    village.sink.begins = True
    village.clock.pass_(300)
    village.look()
    wait_for(village.begun)
    village.finish()
    assert village.outcomes() == [(1, "played", None)]


def test_a_sink_that_fails_is_tried_three_times(village: Village, plan: Plan) -> None:
    plan((1, 10, 50))
    village.sink.failures = 99
    village.start()
    village.clock.pass_(9)
    for _ in range(12):
        village.look()
        if village.box._on_air:
            wait_for(village.box._on_air.result)
        village.clock.pass_(1)
    assert village.sink.order == [1, 1, 1]
    assert village.outcomes() == [(1, "missed", "sink_failed")]


def test_a_card_that_is_away_for_long_uses_up_no_try(village: Village, plan: Plan) -> None:
    plan((1, 10, 50), make_up_s=600)
    village.sink.failures, village.sink.failure = 99, CardAway("nothing to sound on")
    village.start()
    village.clock.pass_(9)
    for _ in range(10):
        village.look()
        if village.box._on_air:
            wait_for(village.box._on_air.result)
        village.clock.pass_(20)
    assert len(village.sink.order) > MAX_ATTEMPTS
    village.sink.failures = 0
    village.look()
    village.look()
    assert "sink" in village.box._problems.all()
    wait_for(village.begun)
    village.finish()
    assert village.outcomes() == [(1, "played", None)]


def test_a_clip_longer_than_it_claims_is_refused_when_decoded(village: Village, plan: Plan) -> None:
    village.home.settings_file.write_text("longest_play_s = 0.5\n")
    village.clip = {**village.clip, "duration_ms": 100}
    plan((1, 10, 50))
    box = village.start(ready=False)
    village.clock.pass_(9)
    sha256 = hashlib.sha256(CLIP).hexdigest()
    wait_for(lambda: box._cache.is_too_long(sha256), 60)
    village.look()
    assert village.outcomes() == [(1, "missed", "too_long")]


def test_quiet_hours_go_by_the_sound_not_by_what_a_list_says_of_it(
    village: Village, plan: Plan
) -> None:
    """A second that says it is a tenth would sound half a second into them."""
    village.home.settings_file.write_text('quiet_from = "08:01"\nquiet_until = "08:30"\n')
    village.clip = {**village.clip, "duration_ms": 100}
    plan((1, 59.5, 50), make_up_s=60)
    village.start()
    village.clock.pass_(58)
    village.look()
    assert village.sounding() is None
    village.clock.pass_(120)
    village.look()
    assert village.outcomes() == [(1, "missed", "quiet_hours")]


def test_after_the_loss_of_all_memory_nothing_that_was_due_sounds_again(
    village: Village, plan: Plan
) -> None:
    plan((1, -60, 50), (2, 60, 50))
    for file in village.home.folder.glob("edge.sqlite3*"):
        file.unlink()
    village.home.database_file.write_bytes(b"nothing one could read" * 300)
    village.start(ready=False)
    village.publish()
    village.look()
    assert village.outcomes() == [(1, "missed", "memory_lost")]
    assert "memory" in village.box._problems.all()


def test_a_receipt_that_cannot_be_written_is_written_later(
    village: Village, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan((1, 10, 50))
    village.start()
    village.clock.pass_(9)
    village.look()
    wait_for(village.begun)
    honest = village.box.store.end_play

    def full(*_arguments: object) -> bool:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(village.box.store, "end_play", full)
    with pytest.raises(sqlite3.OperationalError):
        village.finish()
    assert village.outcomes() == []
    monkeypatch.setattr(village.box.store, "end_play", honest)
    village.look()
    assert village.outcomes() == [(1, "played", None)]


def test_an_error_in_one_look_does_not_end_the_loop(
    village: Village, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan((1, 10, 50))
    box = village.start()
    looks: list[int] = []

    def tick() -> float:
        looks.append(1)
        if len(looks) == 1:
            raise sqlite3.OperationalError("disk I/O error")
        box.stop()
        return 0.0

    monkeypatch.setattr(box, "tick", tick)
    box.run_forever()
    assert len(looks) == 2
