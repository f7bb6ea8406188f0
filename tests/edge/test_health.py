"""What a box tells of itself, and what it hears in return."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge.box import Box
from edge.config import Home
from edge.health import ready_until
from edge.machine import Machine
from edge.plan import Entry
from edge.prepare import Preparer
from edge.receipts import Heard
from edge.told import Told
from tests.edge.conftest import BoxProcess, wait_for
from tests.edge.fake_server import FakeServer
from tests.edge.planning import play
from tests.edge.sounds import opus, speechlike
from tests.edge.test_enrol import edge

FIELDS = {
    "version", "uptime_s", "disk_free_bytes", "temperature_c", "clock", "cache", "sink",
    "last_play", "quiet_switch", "boot_id", "problems",
}  # fmt: skip


@pytest.fixture
def box(home: Home) -> Iterator[Box]:
    box = Box(home)
    yield box  # never started
    box.host.close()
    box._client.close()
    box.store.close()
    box._lock.close()


def test_a_report_has_every_entry_of_the_protocol(server: FakeServer, box: Box) -> None:
    report = box.office.report()
    assert set(report) >= FIELDS
    assert set(report["cache"]) == {"clips", "missing", "bytes", "plays_ready_until"}
    assert set(report["sink"]) == {"kind", "name", "ok"}
    assert report["last_play"] is None
    assert report["quiet_switch"] is False
    json.dumps(report)


def test_a_clock_led_by_the_server_says_so_and_how_sure_it_is(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert box.office.report()["clock"]["source"] == "machine"
    monkeypatch.setattr(box.clock, "_is_kept", lambda: False)
    box.clock.heard(Told(box.clock.wall_s() + 365 * 86_400, 0.25))
    report = box.office.report()
    assert report["clock"]["source"] == "server"
    assert 250 <= report["clock"]["max_error_ms"] < 500
    assert "wrong by 365 days" in report["problems"]["clock"]
    assert "server_clock" not in report["problems"]
    box.clock.heard(Told(box.clock.wall_s() + 3600, 0.25))
    assert "jumped" in box.office.report()["problems"]["server_clock"]
    box.clock.heard(Told(box.clock.wall_s(), 0.25))
    assert "server_clock" not in box.office.report()["problems"]


def test_what_sounded_last_is_told(server: FakeServer, box: Box) -> None:
    starts = datetime.now(UTC) + timedelta(hours=1)
    server.add_play(4, starts, server.add_clip(b"x", 1000))
    server.publish()
    box._syncer.sync_once()
    known = box.store.play(4)
    box._book.played(known, Heard(starts, starts, 0.1, "wav", None, None), starts)
    assert box.office.report()["last_play"]["play_id"] == 4
    assert box.office.report()["last_play"]["outcome"] == "played"


def test_each_start_of_the_program_has_a_name_of_its_own(tmp_path: Path) -> None:
    assert Machine(tmp_path).boot_id != Machine(tmp_path).boot_id


def test_a_machine_without_sensors_tells_nothing(tmp_path: Path) -> None:
    machine = Machine(tmp_path, tmp_path / "thermal", tmp_path / "uptime")
    assert (machine.temperature_c(), machine.uptime_s()) == (None, None)


def test_the_hottest_sensor_counts(tmp_path: Path) -> None:
    for zone, text in enumerate(("41234\n", "63500\n", "broken")):
        sensor = tmp_path / f"thermal_zone{zone}"
        sensor.mkdir()
        (sensor / "temp").write_text(text)
    assert Machine(tmp_path, tmp_path).temperature_c() == 63.5


def test_plays_are_ready_until_the_first_whose_clip_is_missing() -> None:
    entries = [Entry(play(1, starts=10)), Entry(play(2, starts=20)), Entry(play(3, starts=30))]
    assert ready_until(entries, {2, 3}, None) == "2026-06-01T00:00:20.000000Z"
    assert ready_until(entries, set(), None) is None


@pytest.mark.parametrize(
    ("wanted", "kind", "is_told"),
    [("auto", "wav", True), ("auto", "device", False), ("wav", "wav", False)],
)
def test_a_card_that_is_missing_is_a_problem_unless_files_were_asked_for(
    home: Home, wanted: str, kind: str, is_told: bool
) -> None:
    home.settings_file.write_text(f'sink = "{wanted}"\n')
    box = Box(home)
    box.office._sink = SimpleNamespace(kind=kind)  # type: ignore[assignment]
    assert ("no_card" in box.office.report()["problems"]) is is_told
    box._client.close()
    box.store.close()
    box._lock.close()


def test_sound_that_cannot_be_made_ready_is_told_and_logged_once(
    home: Home, box: Box, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rounds: list[str] = []

    def fail(_preparer: Preparer) -> bool:
        rounds.append("x")
        raise OSError(13, "Permission denied")

    monkeypatch.setattr(Preparer, "prepare_next", fail)
    monkeypatch.setattr("edge.prepare._LOOK_S", 0.01)
    box._preparer.start()
    wait_for(lambda: len(rounds) > 3, 10, "some rounds")
    assert "Permission denied" in box.office.report()["problems"]["prepare"]
    assert [each.message for each in caplog.records].count("preparing failed; trying again") == 1
    monkeypatch.setattr(Preparer, "prepare_next", lambda _preparer: False)
    wait_for(lambda: "prepare" not in box.office.report()["problems"], 10, "the end of it")
    box._preparer.stop()


def test_an_approval_is_followed_within_one_report(
    server: FakeServer, home: Home, box: Box
) -> None:
    server.approved = False
    server.add_play(1, datetime.now(UTC) + timedelta(hours=1), server.add_clip(b"x", 1000))
    box._syncer.sync_once()
    box.office._reporter.tell_once()
    assert box.store.open_entries() == []
    assert "waits for approval" in edge("status", "--home", home.folder).stdout
    server.approved = True
    box.office._reporter.tell_once()
    box._syncer.sync_once()
    assert [entry.play.play_id for entry in box.store.open_entries()] == [1]


@pytest.mark.slow
def test_a_box_that_was_shut_out_falls_silent_and_forgets_its_sound(
    server: FakeServer, home: Home, start_box: Callable[..., BoxProcess]
) -> None:
    clip = opus(speechlike(60))
    starts = datetime.now(UTC) + timedelta(seconds=12)
    server.add_play(1, starts, server.add_clip(clip, 60_000))
    server.publish()
    box = start_box(home).ready()
    wait_for(lambda: any(home.sounded.glob("*.part")), 60, "the play to sound")
    server.revoked = True
    wait_for(lambda: not any(home.sounded.glob("*.part")), 30, "silence")
    wait_for(lambda: not [f for f in home.clips.rglob("*") if f.is_file()], 10, "no sound left")
    box.kill()
    start_box(home).ready()
    assert "play " not in edge("status", "--home", home.folder).stdout
