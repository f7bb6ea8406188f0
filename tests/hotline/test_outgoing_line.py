"""Duty phones when the line out is in use or broken: what did not ring is tried on."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from core.sealed import Sealer
from core.settings import Settings
from hotline.call import Undialled
from hotline.journal import Journal, spool_of
from hotline.outgoing import duty
from tests.hotline.fake_call import Press, Silence
from tests.hotline.fake_driver import After, leg
from tests.hotline.outgoing_town import CALLER, FIRST, SECOND, VILLAGE, Town

ROOM = "duty-room"


@pytest.fixture
def town(config: Settings, sealer: Sealer) -> Town:
    """One duty phone, in the network."""
    return town_with(config, sealer, FIRST)


def town_with(config: Settings, sealer: Sealer, *phones: str) -> Town:
    made = Town(config, sealer, sip_accounts=f"{ROOM}:a-long-password")
    made.people("duty", *phones)
    return made


class OnlyLine:
    """One line for everything: free from ``free_at_s``, when nobody's call holds it."""

    def __init__(self, town: Town, *, free_at_s: float = math.inf, **leave_at_s: float) -> None:
        self._driver, self._free_at_s = town.driver, free_at_s
        spool = spool_of(town.settings)
        self._calls = [
            (Journal.begin(spool, town.sealer, call.replace("_", "-"), CALLER, "96110"), at_s)
            for call, at_s in leave_at_s.items()
        ]
        town.driver.line_is_free = self._is_free

    def _is_free(self) -> bool:
        now_s = self._driver.now_s
        for call, leave_at_s in self._calls:
            if now_s >= leave_at_s:
                call.close()
        return now_s >= self._free_at_s


def test_the_phone_rings_soon_after_the_callers_own_call_has_freed_the_only_line(
    town: Town,
) -> None:
    town.driver.reactions[FIRST] = [leg(Press("1"), Silence())]
    OnlyLine(town, call_1=272.0, free_at_s=275.0)
    assert town.ring_duty().result == "taken"
    [(rung_at_s, number)] = town.driver.rung_at_s
    assert number == FIRST
    assert 275.0 <= rung_at_s <= 275.0 + duty.LINE_PAUSE_S


@pytest.mark.parametrize("why", ["busy", "unreachable", "refused", "no_trunk", "limit"])
def test_whatever_the_line_says_three_answers_of_it_are_not_three_rings(
    town: Town, why: Undialled
) -> None:
    town.driver.reactions[FIRST] = [why] * 9 + [leg(Press("1"), Silence())]
    assert town.ring_duty().result == "taken"
    assert len(town.driver.numbers) == 10


def test_what_is_unanswered_at_once_has_not_rung(town: Town) -> None:
    town.driver.reactions[FIRST] = [After(0.5, "no_answer")] * 9 + [leg(Press("1"), Silence())]
    assert town.ring_duty().result == "taken"


@pytest.mark.parametrize("why", ["busy", "refused", "no_answer"])
def test_somebody_who_is_busy_or_presses_the_ringing_away_has_been_rung(
    town: Town, why: Undialled
) -> None:
    town.driver.reactions[FIRST] = [After(8.0, why)] * 9
    assert town.ring_duty().result == "nobody"
    assert len(town.driver.numbers) == duty.RINGS_EACH


def test_three_minutes_after_the_caller_has_left_a_line_is_given_up(town: Town) -> None:
    OnlyLine(town, call_1=400.0)
    assert town.ring_duty().result == "nobody"
    assert abs(town.driver.now_s - duty.AFTER_CALL_S - 400.0) <= duty.LINE_PAUSE_S


def test_a_caller_who_stays_for_ever_is_not_waited_for_for_ever(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duty, "LINE_LIMIT_S", 300.0)
    OnlyLine(town, call_1=math.inf)
    assert town.ring_duty().result == "nobody"
    assert 300.0 <= town.driver.now_s <= 300.0 + duty.LINE_PAUSE_S


def test_a_caller_who_calls_again_meanwhile_is_waited_for_as_well(town: Town) -> None:
    OnlyLine(town, call_1=60.0, call_2=600.0)
    assert town.ring_duty(CALLER, VILLAGE, "call-1", "call-2").result == "nobody"
    assert abs(town.driver.now_s - duty.AFTER_CALL_S - 600.0) <= duty.LINE_PAUSE_S


def test_a_line_that_was_busy_for_minutes_is_one_attempt_of_each_phone(
    config: Settings, sealer: Sealer
) -> None:
    town = town_with(config, sealer, FIRST, SECOND)
    OnlyLine(town)
    outcome = town.ring_duty()
    assert [one.cause for one in outcome.attempts] == ["busy", "busy"]
    assert len(town.driver.numbers) > 10
    assert all((one.ended_at or "") > one.rang_at for one in outcome.attempts)


def test_phones_that_ring_do_not_use_up_the_rounds_of_one_that_does_not(
    config: Settings, sealer: Sealer
) -> None:
    town = town_with(config, sealer, ROOM, FIRST)
    town.driver.reactions[FIRST] = ["busy"] * 6 + [leg(Press("1"), Silence())]
    assert town.ring_duty().result == "taken"
    assert town.driver.numbers.count(ROOM) == duty.RINGS_EACH


def test_the_next_phone_rings_within_a_minute_also_when_the_line_is_free_only_later(
    config: Settings, sealer: Sealer
) -> None:
    town = town_with(config, sealer, FIRST, SECOND)
    OnlyLine(town, free_at_s=45.0)
    assert town.ring_duty().result == "nobody"
    at_s = [45.0, *(rung_at_s for rung_at_s, _ in town.driver.rung_at_s)]
    assert len(at_s) == 1 + 2 * duty.RINGS_EACH
    assert all(later - sooner < 60 for sooner, later in pairwise(at_s))


def test_where_nothing_can_call_out_nobody_waits_for_it(config: Settings, sealer: Sealer) -> None:
    town = Town(config, sealer, trunk_host="")
    town.people("duty", FIRST)
    town.driver.reactions[FIRST] = ["no_trunk"]
    assert town.ring_duty().result == "no_trunk"
    assert town.driver.now_s == 0.0
