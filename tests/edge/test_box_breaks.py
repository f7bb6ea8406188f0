"""What breaks in though it is late, and what goes on after its make-up time: a whole box."""

from __future__ import annotations

import pytest

from edge.manifest import ORDERED_IDS
from tests.edge.conftest import wait_for
from tests.edge.test_box import Plan, Village, plan, village

__all__ = ["plan", "village"]


def begin(village: Village, play_id: int) -> None:
    village.look()
    wait_for(village.begun)
    assert village.sounding() == play_id


def on_air(village: Village, plan: Plan, *, make_up_s: float, fate: str = "restart") -> None:
    """Play 1 sounds; its clip lasts a second."""
    plan((1, 10, 50), make_up_s=make_up_s, on_interrupt={1: fate})
    village.start()
    village.clock.pass_(9)
    begin(village, 1)


def test_a_notice_that_was_ordered_and_is_ready_ten_seconds_late_breaks_in(
    village: Village, plan: Plan
) -> None:
    on_air(village, plan, make_up_s=3600)
    ordered = village.town.add_play(ORDERED_IDS + 1, village.at(-10), village.clip, priority=70)
    ordered["kind"] = "notice"
    village.publish()
    begin(village, ORDERED_IDS + 1)
    village.finish()
    wait_for(village.begun)
    village.finish()
    assert village.outcomes() == [(ORDERED_IDS + 1, "played", None), (1, "played", None)]


@pytest.mark.parametrize("make_up_s", [0, 600])
def test_what_was_broken_off_goes_on_when_its_make_up_time_is_over(
    village: Village, plan: Plan, make_up_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.ladder.STEP_BACK_S", 0.1)
    on_air(village, plan, make_up_s=make_up_s, fate="resume")
    village.clock.pass_(1.5)
    plan((2, 0, 100))
    begin(village, 2)
    village.clock.pass_(make_up_s + 60)
    village.finish()
    wait_for(village.begun)
    again = village.box._on_air
    assert again is not None
    assert again.play.play_id == 1
    assert again.resumed_from is not None
    assert again.resumed_from.position_s > 0.2
    village.finish()
    assert village.outcomes() == [(2, "played", None), (1, "played", None)]


def test_it_does_not_while_quiet_is_ordered_for_the_village(village: Village, plan: Plan) -> None:
    on_air(village, plan, make_up_s=0, fate="resume")
    village.clock.pass_(1.5)
    plan((2, 0, 100))
    begin(village, 2)
    village.town.orders_quiet = True
    village.publish()
    village.clock.pass_(60)
    village.finish()
    assert village.sounding() is None
    assert village.outcomes() == [(2, "played", None), (1, "missed", "preempted")]
