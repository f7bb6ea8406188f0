"""What fails in the loop costs its own play alone, is told to the office, and is logged once."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.box import Box
from edge.config import Home
from edge.health import Problems
from edge.manifest import PlannedPlay
from edge.store import Store
from edge.troubles import EXIT_FAILED, Troubles, is_damage
from tests.edge.conftest import ROOT, wait_for
from tests.edge.fake_server import FakeServer
from tests.edge.test_box import ObedientSink, Plan, Village, plan, village
from tests.edge.test_update import NEWER, ask, kept, speed_up, until, versions
from tests.edge.wheels import wheel

__all__ = ["plan", "village"]


@pytest.fixture(autouse=True)
def ends(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Exit codes with which the program would have ended itself."""
    codes: list[int] = []
    monkeypatch.setattr("edge.box.end_within", lambda _seconds, code: codes.append(code))
    monkeypatch.setattr("edge.office._LAST_WORDS_S", 0.1)
    return codes


def fails(error: Exception) -> Callable[..., Any]:
    def fail(*_arguments: object, **_named: object) -> Any:
        raise error

    return fail


def looks(box: Box, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """The loop itself, for ``count`` looks."""
    honest, done = box.tick, list[int]()

    def tick() -> float:
        done.append(1)
        if len(done) == count:
            box._stopped.set()
            box._rung.set()
        honest()
        return 0.0

    with monkeypatch.context() as patch:
        patch.setattr(box, "tick", tick)
        box.run_forever()
    box._stopped.clear()


def test_a_loop_that_always_fails_is_told_and_logged_once_until_it_is_over(
    village: Village, plan: Plan, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plan((1, 60, 50))
    box = village.start()
    honest = box.store.open_entries
    monkeypatch.setattr(box.store, "open_entries", fails(OSError(30, "Read-only file system")))
    looks(box, monkeypatch, 4)
    assert "Read-only file system" in box._problems.all()["loop"]
    logged = [each for each in caplog.records if each.name == "edge.troubles"]
    assert [each.message for each in logged] == ["the loop failed; trying again"]
    monkeypatch.setattr(box.store, "open_entries", honest)
    village.look()
    assert "loop" not in box._problems.all()


def test_a_play_that_cannot_be_called_missed_keeps_no_other_from_its_turn(
    village: Village, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan((1, -9000, 50), (2, -8000, 50), (3, 1, 50))
    box = village.start()
    honest = box._book.missed

    def missed(play: PlannedPlay, *arguments: Any, **named: Any) -> bool:
        if play.play_id == 1:
            raise sqlite3.IntegrityError("UNIQUE constraint failed")
        return honest(play, *arguments, **named)

    monkeypatch.setattr(box._book, "missed", missed)
    village.look()
    assert village.sounding() == 3
    assert village.outcomes() == [(2, "missed", "player_off")]
    assert "play 1 could not be called missed" in box._problems.all()["loop"]


def test_what_holds_a_play_back_need_not_be_noted_for_others_to_sound(
    village: Village, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan((1, 1, 70), (2, 1, 50))
    box = village.start()
    monkeypatch.setattr(box.store, "note_blocked", fails(ValueError("strange")))
    village.look()
    assert village.sounding() == 1
    assert "strange" in box._problems.all()["loop"]


def test_a_row_that_makes_no_sense_is_left_out_until_a_list_names_it_anew(
    village: Village, plan: Plan
) -> None:
    plan((1, 1, 50), (2, 1, 50))
    box = village.start()
    with box.store.database.write() as db:
        db.execute("UPDATE play SET starts_at = 'eight o''clock' WHERE play_id = 1")
    village.look()
    assert village.sounding() == 2
    assert "play 1 cannot be read" in box._problems.all()["loop"]
    village.publish()
    village.look()
    assert "loop" not in box._problems.all()
    assert [entry.play.play_id for entry in box.store.open_entries()] == [1]


def test_a_memory_damaged_at_run_time_ends_the_program_so_that_its_copy_can_take_over(
    village: Village, plan: Plan, monkeypatch: pytest.MonkeyPatch, ends: list[int]
) -> None:
    plan((1, 60, 50))
    box = village.start()
    damaged = sqlite3.DatabaseError("database disk image is malformed")
    monkeypatch.setattr(box.store, "open_entries", fails(damaged))
    box.run_forever()
    assert (box.exit_code, ends) == (EXIT_FAILED, [EXIT_FAILED])
    monkeypatch.setattr("edge.safefile.SafeFile.write", fails(damaged))
    box.close()
    village.boxes.clear()


def test_after_real_damage_the_next_start_sounds_what_the_copy_knows(
    village: Village, plan: Plan, ends: list[int]
) -> None:
    plan(*((number, 1 if number == 1 else 3600 + number, 50) for number in range(1, 60)))
    box = village.start()
    box.store.database.save_copy()
    memory = box.store.database._connection
    memory.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(village.home.database_file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    village.home.database_file.write_bytes(content)
    memory.execute("PRAGMA shrink_memory")  # what it had read before is read again
    box.run_forever()
    assert ends == [EXIT_FAILED]
    box.close()
    village.boxes.clear()
    village.start()
    village.look()
    assert village.sounding() == 1


def test_damage_is_told_from_a_full_disk_by_what_sqlite_says(tmp_path: Path) -> None:
    store = Store(tmp_path / "memory")
    store.database._connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(sqlite3.Error) as full:
        for number in range(1000):
            store.remember(str(number), "x" * 1000)
    store.close()
    assert not is_damage(full.value)
    (tmp_path / "spoilt").write_bytes(b"SQLite format 3\0" + b"\xff" * 8000)
    with pytest.raises(sqlite3.Error) as spoilt:
        sqlite3.connect(tmp_path / "spoilt").execute("SELECT * FROM play")
    assert is_damage(spoilt.value)


def test_damage_is_never_contained() -> None:
    troubles = Troubles(Problems())
    with pytest.raises(sqlite3.DatabaseError), troubles.contained("anything"):
        raise sqlite3.DatabaseError("malformed")


def test_a_program_proves_itself_by_a_look_in_which_nothing_failed() -> None:
    troubles = Troubles(Problems())
    assert not troubles.is_whole
    with troubles.contained("this"):
        raise ValueError("x")
    troubles.end_look()
    assert not troubles.is_whole
    troubles.end_look()
    assert troubles.is_whole
    troubles.fail(ValueError("y"))
    assert not troubles.is_whole


def test_the_program_ends_although_a_driver_hangs_in_its_orderly_end() -> None:
    code = (
        "import atexit, time; from edge.troubles import end_within;"
        " atexit.register(time.sleep, 300); end_within(0.5, 7)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60)
    assert done.returncode == 7


# --- a sound card that hangs


class HangingSink(ObedientSink):
    """A driver that never comes back from play 1, as some do when their card is pulled out."""

    def __init__(self, village: Village) -> None:
        super().__init__(village.clock)
        self.released = threading.Event()

    def sound(self, play_id: int, *arguments: Any) -> Any:
        if play_id != 1:
            return super().sound(play_id, *arguments)
        self.order.append(play_id)
        return self.released.wait(60)


@pytest.fixture
def hanging(village: Village) -> Any:
    village.sink = HangingSink(village)
    yield village.sink
    village.sink.released.set()


def test_a_card_that_hangs_gives_the_play_back_and_ends_the_program(
    village: Village, plan: Plan, hanging: HangingSink, ends: list[int]
) -> None:
    plan((1, 1, 50))
    box = village.start()
    village.look()
    assert village.sounding() == 1
    village.clock.pass_(1 + 1 + 29)  # it is a second long
    village.look()
    assert ends == []
    village.clock.pass_(2)
    village.look()
    assert (box.exit_code, ends) == (EXIT_FAILED, [EXIT_FAILED])
    assert "sink" in box._problems.all()
    [entry] = box.store.open_entries()
    assert (entry.play.play_id, entry.attempts, entry.blocked) == (1, 1, "sink_failed")
    assert village.sounding() is None
    assert hanging.order == [1]


def test_a_card_that_does_not_let_go_of_what_was_cut_ends_it_once_nothing_else_sounds(
    village: Village, plan: Plan, hanging: HangingSink, ends: list[int]
) -> None:
    plan((1, 1, 50))
    village.start()
    village.look()
    plan((2, 1, 100))
    village.look()
    assert hanging.order == [1, 2], "an emergency does not wait for it"
    wait_for(village.begun)
    village.clock.pass_(31)
    village.look()
    assert ends == [], "nor is it cut for it"
    village.finish()
    assert village.outcomes() == [(2, "played", None)]
    village.look()
    assert ends == [EXIT_FAILED]


# --- a program on trial


@pytest.mark.slow
def test_a_program_that_reports_but_cannot_play_is_given_up(server: FakeServer, home: Home) -> None:
    speed_up(home, trial_s=10)
    cannot = {"box.py": ("        self._reap()\n", "        raise RuntimeError('no sound')\n")}
    ask(server, wheel(NEWER, changes=cannot))
    with kept(home) as keeper:
        until(keeper, lambda: server.answers, "the answer")
        assert "did not report" in server.answers["u-1"][1]
        assert NEWER in versions(server)
        until(keeper, lambda: versions(server)[-1] != NEWER, "the old program")
