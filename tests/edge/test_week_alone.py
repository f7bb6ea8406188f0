"""A week without a network, switched off each night: the list and the sound on the card suffice."""

from __future__ import annotations

import pytest

from edge.receipts import check_chain
from tests.edge.conftest import wait_for
from tests.edge.test_box import Plan, Village, plan, village

__all__ = ["plan", "village"]
HOUR_S, DAYS, PLAYS_A_DAY = 3600, 7, 3


@pytest.mark.slow
def test_from_power_on_it_sounds_all_of_a_week_and_proves_it(village: Village, plan: Plan) -> None:
    starts_s = [
        day * 24 * HOUR_S + hour * HOUR_S + 60
        for day in range(DAYS)
        for hour in (0, 5, 11)[:PLAYS_A_DAY]
    ]
    plan(*((number, at_s, 50) for number, at_s in enumerate(starts_s, 1)))
    begin_s = village.clock.wall_s()
    for day in range(DAYS):
        village.start()
        for at_s in starts_s[day * PLAYS_A_DAY : (day + 1) * PLAYS_A_DAY]:
            village.clock.pass_(begin_s + at_s - 1 - village.clock.wall_s())
            village.look()
            wait_for(village.begun, 20, f"the play at {at_s} s")
            village.clock.pass_(1)
            village.finish()
        village.box.close()
        village.boxes.clear()
    village.start(ready=False)
    numbers = list(range(1, len(starts_s) + 1))
    assert village.outcomes() == [(number, "played", None) for number in numbers]
    assert village.sink.order == numbers
    receipts = village.box.store.receipts(unsent_only=True)
    assert [receipt.seq for receipt in receipts] == numbers
    assert check_chain(receipts, village.home.key().public_key()) is None
    # What lies behind the end of the list was not approved by anybody.
    village.clock.pass_(8 * 24 * HOUR_S)
    village.look()
    assert village.sounding() is None
