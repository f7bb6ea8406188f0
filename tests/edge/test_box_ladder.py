"""What the box makes of interruptions: who goes on where, what is said, and after a power cut."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from edge.clock import iso
from edge.live import LiveGuest
from edge.player import Loudness, Performance
from edge.sinks import Sink
from edge.troubles import EXIT_FAILED
from tests.edge.conftest import wait_for
from tests.edge.test_box import Village, plan, village  # noqa: F401

Plan = Callable[..., None]


def begin(village: Village, play_id: int) -> None:  # noqa: F811
    village.look()
    wait_for(village.begun)
    assert village.sounding() == play_id


def interrupted(village: Village, plan: Plan, fate: str) -> None:  # noqa: F811
    """Play 1 is on air for half its second when an emergency breaks in and is sounding."""
    plan((1, 10, 50), on_interrupt={1: fate})
    village.start()
    village.clock.pass_(9)
    begin(village, 1)
    village.clock.pass_(1.5)
    plan((2, 0, 100))
    begin(village, 2)


def body(village: Village, play_id: int) -> dict[str, object]:  # noqa: F811
    bodies = [json.loads(receipt.body) for receipt in village.box.store.receipts()]
    return next(found for found in bodies if found["play_id"] == play_id)


def test_a_play_that_may_go_on_is_whole_with_the_gap_named(
    village: Village, plan: Plan, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    monkeypatch.setattr("edge.ladder.STEP_BACK_S", 0.1)
    interrupted(village, plan, "resume")
    village.clock.pass_(30)
    village.finish()
    wait_for(village.begun)
    entry = village.box._on_air
    assert entry is not None
    assert entry.resumed_from is not None
    assert 0.2 < entry.resumed_from.position_s < 0.6
    village.finish()
    assert village.outcomes() == [(2, "played", None), (1, "played", None)]
    said = body(village, 1)
    assert said["interrupted_ms"] == pytest.approx(30_500, abs=1_500)
    assert abs(float(str(said["start_error_ms"]))) < 2_000


def test_a_play_that_is_skipped_when_broken_off_says_so_at_once(
    village: Village, plan: Plan  # noqa: F811
) -> None:  # fmt: skip
    interrupted(village, plan, "skip")
    assert village.outcomes() == [(1, "missed", "preempted")]
    village.finish()
    assert village.sounding() is None
    assert village.sink.order == [1, 2]


def test_where_it_goes_on_is_known_after_a_power_cut(
    village: Village, plan: Plan, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    monkeypatch.setattr("edge.ladder.STEP_BACK_S", 0.1)
    interrupted(village, plan, "resume")
    # The power goes: nobody closes anything. The next run finds what is on disk.
    monkeypatch.setattr(Performance, "cut", lambda self: self._stop.set())
    box = village.box
    box._on_air, box._lock = None, box._lock.close() or box._lock  # type: ignore[func-returns-value]
    village.start()
    entries = {entry.play.play_id: entry for entry in village.box.store.open_entries()}
    paused = entries[1].paused
    assert paused is not None
    assert 0.2 < paused.position_s < 0.6


def test_what_missed_its_end_for_an_emergency_is_missed_as_broken_off(
    village: Village, plan: Plan  # noqa: F811
) -> None:  # fmt: skip
    interrupted(village, plan, "resume")
    village.clock.pass_(4000)
    village.finish()
    assert village.outcomes() == [(2, "played", None), (1, "missed", "preempted")]


def test_the_quiet_switch_cuts_a_play_and_lets_it_go_on_when_it_is_turned_back(
    village: Village, plan: Plan, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    monkeypatch.setattr("edge.ladder.STEP_BACK_S", 0.1)
    switch = village.home.folder / "quiet"
    village.home.settings_file.write_text(f'quiet_file = "{switch}"\n')
    plan((1, 10, 50), on_interrupt={1: "resume"})
    village.start()
    village.clock.pass_(9)
    begin(village, 1)
    village.clock.pass_(1.4)
    switch.touch()
    village.look()
    assert village.sounding() is None
    assert village.box.quiet_switch
    village.clock.pass_(60)
    village.look()
    assert village.sounding() is None
    switch.unlink()
    begin(village, 1)
    village.finish()
    assert village.outcomes() == [(1, "played", None)]


def test_with_the_quiet_switch_on_to_the_end_a_play_was_missed_for_it(
    village: Village, plan: Plan  # noqa: F811
) -> None:  # fmt: skip
    switch = village.home.folder / "quiet"
    switch.touch()
    village.home.settings_file.write_text(f'quiet_file = "{switch}"\n')
    plan((1, 10, 50), make_up_s=60)
    village.start()
    for _ in range(10):
        village.clock.pass_(9)
        village.look()
    assert village.outcomes() == [(1, "missed", "quiet_switch")]


def test_nothing_but_an_emergency_begins_before_the_card_has_let_go(
    village: Village, plan: Plan, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    plan((1, 10, 50))
    village.start()
    village.clock.pass_(9)
    begin(village, 1)
    plan((2, 2, 70), (3, 12, 100))
    hangs = True
    monkeypatch.setattr(Performance, "gone", property(lambda self: not hangs))
    village.clock.pass_(1)
    village.look()
    village.look()
    assert village.sounding() is None, "the notice waits for silence"
    village.clock.pass_(10)
    begin(village, 3)
    hangs = False
    village.finish()
    wait_for(village.begun)
    assert village.sounding() == 2


class Speaker:
    """Somebody who speaks live whenever ``speaks``."""

    priority = 90

    def __init__(self) -> None:
        self.speaks = True
        self.story: list[str] = []

    def wants_air(self) -> bool:
        return self.speaks

    def begin(self, sink: Sink, loudness: Loudness) -> None:
        self.story.append("begin")

    def holds_air(self) -> bool:
        return self.story[-1:] == ["begin"]

    def hangs(self) -> bool:
        return False

    def cut(self, reason: str) -> None:
        self.story.append(reason)

    def stop(self) -> None:
        self.speaks = False


def test_live_speech_breaks_into_a_programme_and_gives_way_to_an_emergency(
    village: Village, plan: Plan  # noqa: F811
) -> None:  # fmt: skip
    plan((1, 10, 50), (2, 20, 100))
    box, speaker = village.start(), Speaker()
    village.clock.pass_(9)
    begin(village, 1)
    box.host.guest = speaker
    village.look()
    assert (village.sounding(), speaker.story) == (None, ["begin"])
    village.look()
    assert village.sounding() is None, "the programme waits while somebody speaks"
    village.clock.pass_(10)
    begin(village, 2)
    assert speaker.story == ["begin", "preempted"]
    village.look()
    assert village.sounding() == 2, "live does not break into an emergency"
    village.finish()
    village.look()
    assert speaker.story == ["begin", "preempted", "begin"]
    speaker.speaks = False
    village.look()
    assert speaker.story[-1] == "over"
    wait_for(village.begun)
    assert village.sounding() == 1


def test_a_live_address_ends_with_the_box(village: Village) -> None:  # noqa: F811
    box, before = village.start(ready=False), set(threading.enumerate())
    guest = box.host.guest
    assert isinstance(guest, LiveGuest)
    said = {"session_id": "s-1", "rate_hz": 16_000, "started_at": iso(village.now)}
    said["ends_at"] = iso(village.now + timedelta(minutes=30))
    assert guest.join(said) == ("done", "")
    (listening,) = (each for each in set(threading.enumerate()) - before if each.name == "live")
    village.boxes.remove(box)
    box.close()
    wait_for(lambda: not listening.is_alive())


class Clinging(Speaker):
    """Somebody whose sink lets go only when it is told to."""

    clings = True
    hung = False

    def holds_air(self) -> bool:
        return self.clings

    def hangs(self) -> bool:
        return self.hung


def test_nothing_but_an_emergency_begins_while_the_sink_clings_to_live_speech(
    village: Village, plan: Plan  # noqa: F811
) -> None:  # fmt: skip
    plan((1, 10, 50), (2, 30, 100))
    box, speaker = village.start(), Clinging()
    box.host.guest = speaker
    village.look()
    speaker.speaks = False
    village.clock.pass_(9)
    village.look()
    assert village.sounding() is None
    assert "let go" in box._problems.all()["sink"]
    village.clock.pass_(20)
    begin(village, 2)
    assert village.sounding() == 2


def test_a_sink_that_lets_go_of_live_speech_is_no_problem_any_more(
    village: Village, plan: Plan  # noqa: F811
) -> None:  # fmt: skip
    plan((1, 10, 50))
    box, speaker = village.start(), Clinging()
    box.host.guest = speaker
    village.look()
    speaker.speaks = False
    village.clock.pass_(9)
    village.look()
    speaker.clings = False
    village.look()
    assert "sink" not in box._problems.all()
    assert village.sounding() == 1


def test_a_sink_that_clings_to_live_speech_for_long_ends_the_program(
    village: Village, plan: Plan, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    ended: list[int] = []
    monkeypatch.setattr("edge.box.end_within", lambda _seconds, code: ended.append(code))
    monkeypatch.setattr("edge.office._LAST_WORDS_S", 0.1)
    plan((1, 3600, 50))
    box, speaker = village.start(), Clinging()
    box.host.guest = speaker
    village.look()
    speaker.speaks = False
    village.look()
    assert ended == []
    speaker.hung = True
    village.look()
    assert ended == [EXIT_FAILED]
