"""Two who answered, and a switch that does not join them: everybody hears so, nobody spoke."""

from __future__ import annotations

import asyncio

import pytest

from core.sealed import Sealer
from core.settings import Settings
from hotline.outgoing import legs
from hotline.outgoing.contract import Outcome
from tests.hotline.fake_call import Press, Silence
from tests.hotline.fake_driver import FakeLeg, Stay, leg
from tests.hotline.outgoing_town import CALLER, FIRST, RESIDENT, STAFF, Town


class Unjoined(FakeLeg):
    """A call whose switch joins it with nobody."""

    async def join_succeeded(self) -> bool:
        return False


class Unanswered(FakeLeg):
    """A call whose switch does not say whether it joined it."""

    async def join_succeeded(self) -> bool:
        await asyncio.Event().wait()
        raise AssertionError


@pytest.fixture
def town(config: Settings, sealer: Sealer) -> Town:
    return Town(config, sealer)


def unjoined(*moves: object) -> FakeLeg:
    return Unjoined(moves)  # type: ignore[arg-type]


def last_said(call: FakeLeg) -> str:
    return call.played[-1][-1]


def nobody_spoke(outcome: Outcome) -> bool:
    return (outcome.joined_at, outcome.talked_ms) == (None, 0)


def test_a_handler_and_a_resident_hear_that_the_line_failed(town: Town) -> None:
    staff, resident = unjoined(Press("1"), Stay(), Silence()), leg(Silence(), Silence())
    town.driver.reactions.update({STAFF: [staff], RESIDENT: [resident]})
    town.carry_out(town.order())
    assert town.outcome().result == "nobody"
    assert nobody_spoke(town.outcome())
    assert town.causes() == ["answered", "unjoined"]
    assert last_said(staff) == last_said(resident) == "out_unjoined"
    assert staff.ended == resident.ended == "done"
    assert staff.joined is None


def test_nobody_waits_in_silence_for_a_switch_that_does_not_answer(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(legs, "JOIN_WITHIN_S", 0.05)
    staff = Unanswered([Press("1"), Stay(), Silence()])  # type: ignore[list-item]
    town.driver.reactions.update({STAFF: [staff], RESIDENT: [leg(Silence(), Silence())]})
    town.carry_out(town.order())
    assert town.causes() == ["answered", "unjoined"]
    assert nobody_spoke(town.outcome())


def test_a_caller_who_waited_for_a_person_is_promised_a_call_back_instead(town: Town) -> None:
    town.people("human", FIRST)
    person = leg(Press("1"), Silence())
    town.driver.reactions[FIRST] = [person]
    caller = unjoined(Stay())
    assert town.find_human(caller) == "nobody"
    assert nobody_spoke(town.outcome())
    assert last_said(person) == "out_unjoined"
    assert caller.ended is None


def test_a_duty_officer_who_was_not_joined_has_taken_it_and_knows(town: Town) -> None:
    town.people("duty", FIRST)
    officer, caller = unjoined(Press("2"), Stay(), Silence()), leg(Silence(), Silence())
    town.driver.reactions.update({FIRST: [officer], CALLER: [caller]})
    outcome = town.ring_duty()
    assert outcome.result == "taken"
    assert nobody_spoke(outcome)
    assert last_said(officer) == "out_duty_unreached"
    assert last_said(caller) == "out_unjoined"
