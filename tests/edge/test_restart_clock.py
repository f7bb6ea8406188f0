"""The program starts again on a box that goes by the server's time, or is about to: what it knew of
the time counts from the first look, so no play of the week is called missed by a wrong clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge import vouched
from edge.guided import AGAIN_S, PATIENCE_S, GuidedClock, Mark
from edge.told import Told
from tests.counterparts import require
from tests.edge.conftest import BoxProcess, enrol, wait_for
from tests.edge.fake_server import FakeServer
from tests.edge.sounds import opus, speechlike
from tests.edge.test_box import Plan, Village, plan, village
from tests.edge.turnable import TurnableClock
from tests.edge.turned import TurnedClock

__all__ = ["plan", "village"]
DAY_S = 86_400.0
YEARS_S = 10 * 365 * DAY_S
FIRST_ANSWER_AFTER_S = PATIENCE_S + 40


@pytest.fixture(autouse=True)
def one_boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine is not switched off, and nothing keeps its clock."""
    boot_id = tmp_path / "boot_id"
    boot_id.write_text("one\n")
    monkeypatch.setattr(vouched, "_BOOT_ID", boot_id)
    monkeypatch.setattr(GuidedClock.__init__, "__defaults__", (lambda: False,))


@pytest.fixture(autouse=True)
def patient(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.guided.PATIENCE_S", PATIENCE_S)


def hear(village: Village, ahead_s: float) -> None:
    """An answer of a server whose clock is ``ahead_s`` before the machine's."""
    village.box.office._hear_the_time(Told(village.clock.wall_s() + ahead_s, 1.0))


def restart(village: Village) -> None:
    village.box.close()
    village.boxes.clear()
    village.start()


def led(village: Village, plan: Plan, wrong_s: float) -> None:
    """A box whose clock stands ``wrong_s`` ahead, led by the server; play 1 is an hour off."""
    plan((1, 3600, 50))
    village.clock.step(wrong_s)
    village.start()
    for _ in range(2):
        hear(village, -wrong_s)
        village.clock.pass_(AGAIN_S)
    assert village.box.clock.is_led


@pytest.mark.parametrize("wrong_s", [YEARS_S, 5 * 3600, -5 * 3600])
def test_a_box_led_by_the_server_is_led_from_its_first_look_after_a_restart(
    village: Village, plan: Plan, wrong_s: float
) -> None:
    led(village, plan, wrong_s)
    restart(village)
    village.look()
    assert village.outcomes() == []
    hear(village, -wrong_s)
    village.look()
    assert village.outcomes() == []
    village.clock.pass_(3598 - 2 * AGAIN_S)
    village.look()
    wait_for(village.begun)
    village.finish()
    assert village.outcomes() == [(1, "played", None)]


def test_without_the_server_it_goes_on_by_the_time_it_had_agreed_on(
    village: Village, plan: Plan
) -> None:
    led(village, plan, -9 * 3600)
    true_s = village.box.clock.wall_s()
    restart(village)
    village.clock.pass_(600)
    assert village.box.clock.wall_s() == true_s + 600
    found = village.box.clock.discipline()
    assert found is not None
    assert found.max_error_ms >= 3_000


def test_a_link_that_comes_late_misses_nothing_by_its_first_answer(
    village: Village, plan: Plan
) -> None:
    """Switched on with a clock behind the end of the list, but less than a month off."""
    plan((1, 3600, 50))
    village.clock.step(20 * DAY_S)
    village.start()
    village.clock.pass_(FIRST_ANSWER_AFTER_S)
    village.look()
    hear(village, -20 * DAY_S)
    village.look()
    assert village.outcomes() == []
    village.clock.pass_(30)
    hear(village, -20 * DAY_S)
    village.look()
    assert village.box.clock.is_led
    assert village.outcomes() == []


def clock_with(machine: TurnableClock, *, kept: bool, ahead_s: float) -> GuidedClock:
    clock = GuidedClock(machine, lambda: kept)
    clock.resume(Mark(machine.wall_s() - machine.mono_s() + ahead_s, machine.mono_s()))
    return clock


def test_a_kept_clock_counts_whatever_was_agreed_on() -> None:
    machine = TurnableClock()
    assert clock_with(machine, kept=True, ahead_s=3600).wall_s() == machine.wall_s()


def test_what_the_machine_s_clock_still_fits_leads_nothing() -> None:
    machine = TurnableClock()
    assert not clock_with(machine, kept=False, ahead_s=2.0).is_led


def test_a_resumed_time_is_sure_and_gives_way_to_a_clock_that_was_set_right() -> None:
    machine = TurnableClock()
    clock = clock_with(machine, kept=False, ahead_s=3600)
    assert clock.is_led
    assert clock.is_sure
    machine.step(3600)
    clock.heard(Told(machine.wall_s(), 0.1))
    assert not clock.is_led


def test_while_one_answer_contradicts_and_none_has_confirmed_it_nothing_is_settled() -> None:
    machine = TurnableClock()
    clock = GuidedClock(machine, lambda: False)
    machine.pass_(PATIENCE_S)
    assert clock.is_settled
    assert not clock.is_sure
    clock.heard(Told(machine.wall_s() + 3600, 1.0))
    assert not clock.is_settled
    machine.pass_(AGAIN_S)
    clock.heard(Told(machine.wall_s() + 3600, 1.0))
    assert clock.is_settled
    assert clock.is_sure


def test_a_server_that_contradicts_itself_unsettles_nothing() -> None:
    machine = TurnableClock()
    clock = GuidedClock(machine, lambda: False)
    clock.heard(Told(machine.wall_s(), 1.0))
    clock.heard(Told(machine.wall_s() + 12 * 3600, 1.0))
    assert clock.is_at_odds
    assert clock.is_settled


def test_a_clock_that_somebody_turned_is_not_sure_before_the_server_has_spoken() -> None:
    machine = TurnableClock()
    clock = GuidedClock(machine, lambda: False)
    clock.heard(Told(machine.wall_s(), 1.0))
    assert clock.is_sure
    machine.step(YEARS_S)
    assert not clock.is_sure


@pytest.mark.slow
@pytest.mark.real("faketime")
@pytest.mark.timeout(150)
@pytest.mark.parametrize("days", [3650, 0.25])
def test_a_program_that_is_killed_under_a_wrong_clock_calls_nothing_missed(
    server: FakeServer, tmp_path: Path, start_box: Callable[..., BoxProcess], days: float
) -> None:
    require("faketime")
    home = enrol(server, tmp_path / "box", 'sink = "wav"\npoll_s = 1\nhealth_s = 1\n')
    clip = opus(speechlike(1))
    starts = datetime.now(UTC) + timedelta(seconds=50)
    server.add_play(7, starts, server.add_clip(clip, 1000), make_up_s=60)
    server.publish()
    clock = TurnedClock(tmp_path / "clock")
    clock.set_to(datetime.now(UTC) + timedelta(days=days))
    box = start_box(home, env=clock.env).ready()
    wait_for(lambda: server.health and server.health[-1]["clock"]["source"] == "server", 30)
    wait_for(lambda: server.health[-1]["plays_waiting"] == 1, 20, "the list")
    box.kill()
    start_box(home, env=clock.env).ready()
    wait_for(lambda: server.receipts, 90, "the receipt")
    assert server.outcomes() == {7: ("played", None)}
    assert abs(server.receipts[1]["start_error_ms"]) < 3_000
