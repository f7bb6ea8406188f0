"""The road of a case, over every state and every kind of actor."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.lifecycle import (
    FIRST_TIER,
    OUTCOMES,
    REPORT_ROADS,
    STEPS,
    Action,
    CaseFacts,
    CaseStatus,
    ReportState,
    Request,
    apply,
    steps_from,
)
from core.errors import Conflict, Forbidden, InvalidInput, XiangyinError

RIGHTS = ("case.dispatch", "case.resolve", "case.verify")
DISPATCHER, HANDLER, VERIFIER = 1, 2, 3
ALL = frozenset(RIGHTS)

requests = st.builds(
    Request,
    action=st.sampled_from(Action),
    actor_id=st.integers(1, 4),
    rights=st.frozensets(st.sampled_from(RIGHTS)),
    is_handler=st.booleans(),
    reason=st.sampled_from(["", "  ", "because"]),
    handler_id=st.sampled_from([None, 1, 2, 3]),
    outcome=st.sampled_from([None, "satisfied", "unreachable", "unsatisfied"]),
)

DOMAIN = {
    "triaged": {"assigned"},
    "assigned": {"accepted", "return_requested"},
    "return_requested": {"assigned"},
    "accepted": {"in_progress"},
    "in_progress": {"on_hold", "resolved"},
    "on_hold": {"in_progress"},
    "resolved": {"verifying"},
    "verifying": {"closed", "assigned"},
    "closed": {"assigned"},
}


def new_case() -> CaseFacts:
    return CaseFacts(CaseStatus.TRIAGED, owner_id=DISPATCHER)


def walk(facts: CaseFacts, wanted: list[Request]) -> list[tuple[CaseFacts, Request, CaseFacts]]:
    taken = []
    for request in wanted:
        try:
            after = apply(facts, request)
        except XiangyinError:
            continue
        taken.append((facts, request, after))
        facts = after
    return taken


def test_the_table_is_the_one_of_the_domain() -> None:
    led: dict[str, set[str]] = {status.value: set() for status in CaseStatus}
    for step in STEPS:
        led[step.before.value].add(step.after.value)
    assert led == DOMAIN


@given(st.lists(requests, max_size=60))
def test_nothing_is_closed_without_an_outcome(wanted: list[Request]) -> None:
    for _, _, after in walk(new_case(), wanted):
        if after.status is CaseStatus.CLOSED:
            assert after.verification_outcome in OUTCOMES
        else:
            assert after.verification_outcome is None


@given(st.lists(requests, max_size=60))
def test_a_cycle_begins_with_a_reopen_and_never_otherwise(wanted: list[Request]) -> None:
    for before, request, after in walk(new_case(), wanted):
        assert after.cycle_no - before.cycle_no == (request.action is Action.REOPEN)


@given(st.lists(requests, max_size=60))
def test_a_case_always_has_an_owner_and_an_assigned_one_a_handler(wanted: list[Request]) -> None:
    for _, _, after in walk(new_case(), wanted):
        assert after.owner_id > 0
        if after.status is not CaseStatus.TRIAGED:
            assert after.handler_id is not None


@given(st.lists(requests, max_size=80))
def test_who_handled_a_cycle_never_verifies_it(wanted: list[Request]) -> None:
    for before, request, _ in walk(new_case(), wanted):
        if request.action in (Action.VERIFY, Action.CLOSE, Action.REOPEN):
            assert request.actor_id != before.handler_id
            assert request.actor_id not in before.worked_by


@given(st.sampled_from(CaseStatus), requests)
def test_no_right_no_step(status: CaseStatus, request: Request) -> None:
    facts = CaseFacts(status, owner_id=9, handler_id=9)
    with pytest.raises((Forbidden, Conflict)):
        apply(facts, replace(request, rights=frozenset()))


@given(st.lists(requests, max_size=80))
def test_a_case_is_held_once_a_cycle(wanted: list[Request]) -> None:
    holds: dict[int, int] = {}
    for _, request, after in walk(new_case(), wanted):
        if request.action is Action.HOLD:
            holds[after.cycle_no] = holds.get(after.cycle_no, 0) + 1
    assert all(count == 1 for count in holds.values())


def road(*steps: Request) -> CaseFacts:
    facts = new_case()
    for step in steps:
        facts = apply(facts, step)
    return facts


ASSIGN = Request(Action.ASSIGN, DISPATCHER, frozenset({"case.dispatch"}), handler_id=HANDLER)
DOES = frozenset({"case.resolve"})
ACCEPT = Request(Action.ACCEPT, HANDLER, DOES, is_handler=True)
BEGIN = Request(Action.BEGIN, HANDLER, DOES, is_handler=True)
RESOLVE = Request(Action.RESOLVE, HANDLER, DOES, is_handler=True, reason="mended")
VERIFIES = frozenset({"case.verify"})
VERIFY = Request(Action.VERIFY, VERIFIER, VERIFIES)
CLOSE = Request(Action.CLOSE, VERIFIER, VERIFIES, outcome="satisfied")
REOPEN = Request(Action.REOPEN, VERIFIER, VERIFIES, reason="still dark")
WHOLE_ROAD = (ASSIGN, ACCEPT, BEGIN, RESOLVE, VERIFY, CLOSE)


def test_the_whole_road_ends_closed() -> None:
    assert road(*WHOLE_ROAD).status is CaseStatus.CLOSED


def test_not_even_somebody_with_every_right_closes_without_an_outcome() -> None:
    facts = road(ASSIGN, ACCEPT, BEGIN, RESOLVE, VERIFY)
    with pytest.raises(InvalidInput) as refused:
        apply(facts, Request(Action.CLOSE, 7, ALL, outcome=None))
    assert refused.value.field == "outcome"
    with pytest.raises(InvalidInput):
        apply(facts, Request(Action.CLOSE, 7, ALL, outcome="unsatisfied"))


def test_who_resolved_for_the_handler_does_not_verify_either() -> None:
    county = frozenset({"case.resolve", "case.verify"})
    helped = replace(RESOLVE, actor_id=8, rights=county, is_handler=False)
    facts = road(ASSIGN, ACCEPT, BEGIN, helped)
    with pytest.raises(Forbidden):
        apply(facts, replace(VERIFY, actor_id=8, rights=county))
    assert apply(facts, VERIFY).status is CaseStatus.VERIFYING


def test_a_return_leads_back_to_who_dispatched() -> None:
    asked = Request(Action.REQUEST_RETURN, HANDLER, DOES, is_handler=True, reason="not ours")
    facts = road(ASSIGN, asked)
    assert facts.owner_id == DISPATCHER


def test_a_handler_takes_no_step_in_somebody_elses_case() -> None:
    with pytest.raises(Forbidden):
        apply(road(ASSIGN), replace(ACCEPT, actor_id=77))


def test_a_second_hold_in_one_cycle_is_refused() -> None:
    hold = Request(Action.HOLD, DISPATCHER, frozenset({"case.dispatch"}), reason="rain")
    resume = Request(Action.RESUME, HANDLER, DOES, is_handler=True)
    facts = road(ASSIGN, ACCEPT, BEGIN, hold, resume)
    with pytest.raises(Conflict):
        apply(facts, hold)


def test_the_third_reopen_makes_a_case_complex() -> None:
    facts = road(*WHOLE_ROAD)
    levels = []
    for _ in range(3):
        facts = apply(facts, REOPEN)
        levels.append(facts.level)
        for step in WHOLE_ROAD[1:]:
            facts = apply(facts, step)
    assert levels == ["general", "general", "complex"]


@pytest.mark.parametrize(
    ("level", "tiers", "last_level"),
    [
        ("general", ["village", "township", "county", "county"], "complex"),
        ("major", ["township", "county", "county", "county"], "complex"),
        ("complex", ["county", "city", "city", "city"], "complex"),
        ("cross_county", ["city", "city", "city", "city"], "cross_county"),
    ],
)
def test_the_second_reopen_leads_to_the_tier_above(
    level: str, tiers: list[str], last_level: str
) -> None:
    facts = replace(road(*WHOLE_ROAD), level=level, tier=FIRST_TIER[level])
    led = []
    for _ in tiers:
        facts = apply(facts, REOPEN)
        led.append(facts.tier)
        for step in WHOLE_ROAD[1:]:
            facts = apply(facts, step)
    assert (led, facts.level) == (tiers, last_level)


def test_steps_are_offered_by_right() -> None:
    offered = steps_from(road(ASSIGN), DOES)
    assert [step.action for step in offered] == [Action.ACCEPT, Action.REQUEST_RETURN]
    assert steps_from(road(ASSIGN), VERIFIES) == []


def test_a_report_is_decided_under_review_only() -> None:
    decided = {ReportState.ACCEPTED, ReportState.REJECTED, ReportState.DUPLICATE}
    assert REPORT_ROADS[ReportState.RECEIVED] == {ReportState.UNDER_REVIEW}
    assert REPORT_ROADS[ReportState.UNDER_REVIEW] == decided
    assert REPORT_ROADS[ReportState.REJECTED] == {ReportState.UNDER_REVIEW}
