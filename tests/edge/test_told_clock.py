"""Each receipt says how sure its time is, whatever became of the play; reports keep their pace."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from edge.guided import AGAIN_S, GuidedClock
from edge.reporter import Reporter
from edge.told import Told
from edge.unnoticed import Endings
from tests.edge.conftest import wait_for
from tests.edge.test_box import Plan, Village, plan, village

__all__ = ["plan", "village"]
SIGNS = {
    "clock_synchronised", "clock_max_error_ms", "clock_estimated_error_ms", "clock_source",
}  # fmt: skip


@pytest.fixture(autouse=True)
def unkept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GuidedClock.__init__, "__defaults__", (lambda: False,))


def lead(village: Village) -> None:
    """The server's time is used, which lies an hour ahead."""
    for _ in range(2):
        village.box.clock.heard(Told(village.clock.wall_s() + 3600, 0.1))
        village.clock.pass_(AGAIN_S)


def signs(village: Village) -> list[dict[str, Any]]:
    bodies = [json.loads(receipt.body) for receipt in village.box.store.receipts()]
    return [{key: body.get(key) for key in SIGNS} for body in bodies]


def assert_led(found: dict[str, Any]) -> None:
    assert found["clock_source"] == "server"
    assert found["clock_synchronised"] is False
    assert 100 <= found["clock_max_error_ms"] < 5000
    assert 50 <= found["clock_estimated_error_ms"] < 5000


def test_a_missed_play_says_how_sure_the_time_is(village: Village, plan: Plan) -> None:
    plan((1, -60, 50), make_up_s=0)
    village.start()
    lead(village)
    village.look()
    assert village.outcomes() == [(1, "missed", "player_off")]
    assert_led(signs(village)[0])


def test_so_does_one_that_was_called_off_when_it_was_due(village: Village, plan: Plan) -> None:
    plan((1, 3600, 50))
    village.start()
    lead(village)
    village.town.plays.clear()
    syncer = village.box._syncer
    village.clock.pass_(60)
    envelope = village.town.publish(village.now)
    due = village.box.store.accept(syncer._verify(envelope), envelope, village.at(3600))
    syncer._explain(due)
    assert village.outcomes() == [(1, "missed", "withdrawn")]
    assert_led(signs(village)[0])


def test_what_ended_in_a_power_cut_says_how_sure_the_time_was_when_it_began(
    village: Village, plan: Plan
) -> None:
    plan((1, 3660, 50))
    village.start()
    lead(village)
    village.clock.pass_(58)
    village.look()
    wait_for(village.begun)
    entry = village.box.store.left_sounding()[0]
    noted = SimpleNamespace(play=entry.play, left_s=0.05, started_at=village.now)
    Endings(village.box.store).look(noted, village.now)  # type: ignore[arg-type]
    heard = Endings(village.box.store).heard(village.home.sounded, entry)
    assert heard is not None
    assert village.box._book.played(entry.play, heard, village.now)
    assert_led(signs(village)[0])


def test_of_a_play_that_was_begun_by_an_older_program_nothing_is_claimed(
    village: Village, plan: Plan
) -> None:
    plan((1, 60, 50))
    box = village.start()
    assert box.store.signs_at_begin(1) == {}
    box.store.begin(box.store.play(1), {"clock_source": "server"})
    assert box.store.signs_at_begin(1) == {"clock_source": "server"}
    assert box.store.signs_at_begin(2) == {}


class Waits:
    """Events nobody sets: waiting takes its time at once."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def wait(self, timeout_s: float) -> bool:
        self.now_s += timeout_s
        return False

    def clear(self) -> None:
        pass


def test_reports_leave_every_thirty_seconds_however_long_they_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits, told = Waits(), list[float]()
    nothing: Any = None
    reporter = Reporter(
        nothing, nothing, nothing, 30.0,
        report=dict, taken=lambda: None, approved=lambda: None, shut_out=lambda: None,
    )  # fmt: skip

    def tell() -> None:
        told.append(waits.now_s)
        waits.now_s += 2.0
        if len(told) == 4:
            reporter._stopped.set()

    monkeypatch.setattr("edge.reporter.time.monotonic", lambda: waits.now_s)
    monkeypatch.setattr(reporter, "tell_once", tell)
    monkeypatch.setattr(reporter, "_due", waits)
    monkeypatch.setattr(reporter, "_hurry", waits)
    reporter._run()
    assert told == [15.0, 45.0, 75.0, 105.0]
