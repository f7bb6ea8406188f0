"""By a clock that nobody vouches for nothing is called missed; and no server makes a night loud."""

from __future__ import annotations

from datetime import timedelta

import pytest

from edge import doubt
from edge.clock import iso
from edge.guided import AGAIN_S, PATIENCE_S
from edge.plan import Entry
from edge.told import Told
from tests.edge.conftest import wait_for
from tests.edge.planning import EIGHT, at, play
from tests.edge.test_box import Plan, Village, plan, village

__all__ = ["plan", "village"]


def sorted_out(*starts: float, settled: bool = True, lost_at: str | None = None) -> list[list[int]]:
    entries = [Entry(play(number, start)) for number, start in enumerate(starts, 1)]
    found = doubt.sort_out(entries, memory_lost_at=lost_at, is_clock_settled=settled, now=at(0))
    return [[entry.play.play_id for entry in part] for part in found]


def test_while_the_time_is_sure_everything_is_decided() -> None:
    assert sorted_out(-5000, -1, 60) == [[1, 2, 3], []]


def test_while_the_time_is_unsure_what_is_late_waits_and_what_is_due_begins() -> None:
    assert sorted_out(-5000, -1, 60, settled=False) == [[2, 3], []]


def test_an_emergency_does_not_wait_for_the_time() -> None:
    entry = Entry(play(1, -5000, priority=100))
    found = doubt.sort_out([entry], memory_lost_at=None, is_clock_settled=False, now=EIGHT)
    assert found == ([entry], [])


def test_what_was_due_before_the_memory_was_lost_is_lost() -> None:
    lost_at = iso(EIGHT - timedelta(seconds=10))
    assert sorted_out(-60, -5, 60, lost_at=lost_at) == [[2, 3], [1]]


def tell(village: Village, ahead_s: float) -> None:
    """Two answers of a server whose clock is ``ahead_s`` before the machine's."""
    for _ in range(2):
        village.box.clock.heard(Told(village.clock.wall_s() + ahead_s, 1.0))
        village.clock.pass_(AGAIN_S)


def test_a_box_switched_on_with_a_clock_days_ahead_misses_nothing(
    village: Village, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.guided.PATIENCE_S", PATIENCE_S)
    plan((1, 3600, 50))
    village.clock.step(3 * 86_400)
    village.start()
    village.look()
    assert village.outcomes() == []
    tell(village, -3 * 86_400)
    village.look()
    assert village.outcomes() == []
    village.clock.pass_(3598 - 2 * AGAIN_S)
    village.look()
    wait_for(village.begun)
    village.finish()
    assert village.outcomes() == [(1, "played", None)]


def test_without_a_server_it_goes_by_its_own_clock_after_a_while(
    village: Village, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.guided.PATIENCE_S", PATIENCE_S)
    plan((1, -600, 50), (2, -9000, 50))
    village.start()
    village.look()
    assert village.sounding() is None
    village.clock.pass_(PATIENCE_S)
    village.look()
    assert village.sounding() == 1
    assert village.outcomes() == [(2, "missed", "player_off")]


def test_quiet_hours_hold_by_the_server_s_time_too(village: Village, plan: Plan) -> None:
    """The machine says 08:00, the server 23:00: an alarm sounds, a programme does not."""
    village.home.settings_file.write_text('quiet_from = "22:00"\nquiet_until = "06:00"\n')
    ahead_s = 15 * 3600
    plan((1, ahead_s + 30, 50), make_up_s=600)
    village.start()
    tell(village, ahead_s)
    assert village.box.clock.is_led
    village.clock.pass_(30)
    village.look()
    assert village.sounding() is None
    plan((2, ahead_s + 30, 100))
    village.clock.pass_(28)
    village.look()
    assert village.sounding() == 2


def test_a_server_whose_clock_jumps_into_the_day_wakes_nobody(village: Village, plan: Plan) -> None:
    """It agreed with the machine before: the play of its morning stays unheard in our night."""
    plan((1, 12 * 3600 + 30, 50))
    village.start()
    village.box.clock.heard(Told(village.clock.wall_s(), 1.0))
    tell(village, 12 * 3600)
    village.clock.pass_(28)
    for _ in range(3600):
        village.look()
        assert village.sounding() is None
        village.box.clock.heard(Told(village.clock.wall_s() + 12 * 3600, 1.0))
        village.clock.pass_(10)
