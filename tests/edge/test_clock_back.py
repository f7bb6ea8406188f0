"""The clock is set back over plays that have ended: once heard is heard, once told is told."""

from __future__ import annotations

import pytest

from edge.receipts import check_chain
from tests.edge.conftest import wait_for
from tests.edge.test_box import Plan, Village, plan, village

__all__ = ["plan", "village"]


def heard_once(village: Village, plan: Plan, *later: tuple[int, float, int]) -> None:
    plan((1, 10, 50), *later)
    village.start()
    village.clock.pass_(10)
    village.look()
    wait_for(village.begun)
    village.finish()
    assert village.outcomes() == [(1, "played", None)]


@pytest.mark.parametrize("back_s", [15, 3_600, 86_400])
def test_a_play_that_was_heard_does_not_sound_again_when_its_time_comes_again(
    village: Village, plan: Plan, back_s: float
) -> None:
    heard_once(village, plan)
    village.clock.step(-back_s)
    for _ in range(30):
        village.look()
        assert village.sounding() is None
        village.clock.pass_(back_s / 25)
    assert village.outcomes()[0] == (1, "played", None)
    assert [play_id for play_id, _, _ in village.outcomes()].count(1) == 1


def test_nor_after_a_new_start_and_the_chain_goes_on(village: Village, plan: Plan) -> None:
    heard_once(village, plan, (2, 600, 50))
    village.box.close()
    village.boxes.clear()
    village.clock.step(-3_600)
    village.start()
    village.clock.pass_(3_600)
    village.look()
    assert village.sounding() is None
    village.clock.pass_(600)
    village.look()
    wait_for(village.begun)
    village.finish()
    assert [play_id for play_id, _, _ in village.outcomes()] == [1, 2]
    receipts = village.box.store.receipts()
    assert [receipt.seq for receipt in receipts] == [1, 2]
    assert check_chain(receipts, village.home.key().public_key()) is None
