"""What the box forgets: nothing by a clock nobody vouches for, nothing that a list still names."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from edge.clock import instant, iso
from edge.commands import Command
from edge.guided import AGAIN_S, PATIENCE_S, GuidedClock
from edge.receipts import ReceiptBook
from edge.tidying import Tidying
from edge.told import Told
from tests.edge.conftest import wait_for
from tests.edge.planning import at, play
from tests.edge.test_box import Plan, Village, plan, village
from tests.edge.test_store import HEARD, KEY, manifest, open_store, waiting
from tests.edge.turnable import TurnableClock

__all__ = ["plan", "village"]
DAY_S = 86_400.0
YEARS_S = 10 * 365 * DAY_S


def test_a_row_that_cannot_be_read_goes_when_no_list_names_it(tmp_path: Path) -> None:
    first, second = play(1, starts=100), play(2, starts=200)
    store = open_store(tmp_path, first, second)
    with store._db.write() as db:
        db.execute("UPDATE play SET starts_at = '20Z6-06-01' WHERE play_id IN (1, 2)")
    assert store.open_entries() == []
    assert set(store.unreadable) == {1, 2}
    store.accept(manifest(second, issued=-3000), b"{}", at(-3000))
    assert waiting(store) == [2], "a list has named it anew"
    assert store.unreadable == {}


@pytest.fixture(autouse=True)
def unkept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GuidedClock.__init__, "__defaults__", (lambda: False,))


def heard_once(village: Village, plan: Plan) -> None:
    """Play 1 was heard and its receipt has arrived; play 2 follows in an hour."""
    plan((1, 10, 50), (2, 3600, 50))
    village.start()
    village.clock.pass_(9)
    village.look()
    wait_for(village.begun)
    village.finish()
    village.box.store.acknowledge(1, village.now)


def switch_on_again(village: Village, wrong_s: float) -> None:
    """The power was away for a moment, and the clock came back ``wrong_s`` ahead."""
    village.box.close()
    village.boxes.clear()
    village.clock.step(wrong_s)
    store = open_store(village.home.folder)
    store.remember("clock_vouched", "{}")
    store.close()
    village.start()
    village.look()


def agree(village: Village, wrong_s: float = 0.0) -> None:
    for _ in range(2):
        village.box.clock.heard(Told(village.clock.wall_s() - wrong_s, 1.0))
        village.clock.pass_(AGAIN_S)


def test_what_was_heard_does_not_sound_again_after_a_start_with_a_clock_years_ahead(
    village: Village, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.guided.PATIENCE_S", PATIENCE_S)
    heard_once(village, plan)
    switch_on_again(village, YEARS_S)
    agree(village, YEARS_S)
    village.look()
    assert village.sounding() is None
    assert village.sink.order == [1]
    assert village.outcomes() == [(1, "played", None)]


def test_what_is_old_is_forgotten_once_the_time_is_sure(village: Village, plan: Plan) -> None:
    heard_once(village, plan)
    village.town.plays.clear()
    village.clock.pass_(40 * DAY_S)
    village.publish()
    village.look()  # play 2 is called missed: the end of the chain
    assert [play_id for play_id, _, _ in village.outcomes()] == [1, 2]
    agree(village)
    village.look()
    assert [play_id for play_id, _, _ in village.outcomes()] == [2]


def test_it_forgets_once_a_day(tmp_path: Path) -> None:
    machine, days = TurnableClock(), list[datetime]()
    clock = GuidedClock(machine)
    tidying = Tidying(open_store(tmp_path), clock, days.append)
    tidying.look(instant(machine.wall_s()), None)
    assert days == []
    clock.heard(Told(machine.wall_s(), 1.0))
    for _ in range(49):
        tidying.look(instant(machine.wall_s()), None)
        machine.pass_(3600)
    assert len(days) == 3


def test_a_play_that_a_list_still_names_is_not_forgotten(tmp_path: Path) -> None:
    store = open_store(tmp_path, play(1), play(2, starts=100), play(3, starts=200))
    book = ReceiptBook(store, KEY, "p-1")
    for number in (1, 2, 3):
        book.played(play(number, starts=number * 100 - 100), HEARD, at(400))
    store.acknowledge(3, at(400))
    store.prune(at(90 * DAY_S), listed=[1])
    assert [receipt.play_id for receipt in store.receipts()] == [1, 2, 3]
    with pytest.raises(KeyError):
        store.play(2)
    assert store.play(1) == play(1)


def test_a_play_that_was_proved_before_is_closed_without_a_second_receipt(tmp_path: Path) -> None:
    store = open_store(tmp_path, play(1))
    book = ReceiptBook(store, KEY, "p-1")
    book.played(play(1), HEARD, at(60))
    with store.database.write() as db:
        db.execute("UPDATE play SET state = 'sounding'")
    assert not book.played(play(1), HEARD, at(120))
    assert [receipt.seq for receipt in store.receipts()] == [1]
    assert waiting(store) == []
    assert store.left_sounding() == []


def test_after_a_loss_of_memory_under_a_clock_years_ahead_what_comes_is_heard(
    village: Village, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.guided.PATIENCE_S", PATIENCE_S)
    plan((1, -60, 50), (2, 60, 50))
    for file in village.home.folder.glob("edge.sqlite3*"):
        file.unlink()
    village.home.database_file.write_bytes(b"nothing one could read" * 300)
    village.clock.step(YEARS_S)
    box = village.start(ready=False)
    village.clock.step(-YEARS_S)
    village.publish()
    village.clock.step(YEARS_S)
    village.look()
    assert village.outcomes() == []
    box.clock.heard(Told(village.clock.wall_s() - YEARS_S, 1.0))
    village.look()
    assert village.outcomes() == [(1, "missed", "memory_lost")]
    assert waiting(box.store) == [2]
    lost_at = box.store.fact("memory_lost_at")
    assert lost_at is not None
    assert lost_at < iso(village.now - timedelta(days=3000))


def test_a_command_is_known_again_as_long_as_nobody_vouches_for_the_time(
    village: Village, plan: Plan
) -> None:
    plan((1, 3600, 50))
    box = village.start()
    command = Command("c-1", "update", village.at(60), {})
    box.office._book.take(command)
    box.office._book.finish("c-1", "done", "")
    box.office._book.answered("c-1")
    switch_on_again(village, YEARS_S)
    assert not village.box.office._book.take(command)
    agree(village)
    village.look()
    assert village.box.office._book.take(command)
