"""The road of a report and of a case: pure tables, no database, no clock.

``closed`` needs a verification outcome and nobody bypasses it, administrators included. A reopen
is an event that starts a new cycle, not a state of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from core.errors import N_, Conflict, Forbidden, InvalidInput


class ReportState(StrEnum):
    RECEIVED = "received"
    UNDER_REVIEW = "under_review"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"


REPORT_ROADS: dict[ReportState, frozenset[ReportState]] = {
    ReportState.RECEIVED: frozenset({ReportState.UNDER_REVIEW}),
    ReportState.UNDER_REVIEW: frozenset(
        {ReportState.ACCEPTED, ReportState.REJECTED, ReportState.DUPLICATE}
    ),
    ReportState.ACCEPTED: frozenset(),
    ReportState.REJECTED: frozenset({ReportState.UNDER_REVIEW}),
    ReportState.DUPLICATE: frozenset({ReportState.UNDER_REVIEW}),
}


class CaseStatus(StrEnum):
    TRIAGED = "triaged"
    ASSIGNED = "assigned"
    RETURN_REQUESTED = "return_requested"
    ACCEPTED = "accepted"
    IN_PROGRESS = "in_progress"
    ON_HOLD = "on_hold"
    RESOLVED = "resolved"
    VERIFYING = "verifying"
    CLOSED = "closed"


class Action(StrEnum):
    ASSIGN = "assign"
    REQUEST_RETURN = "request_return"
    ACCEPT = "accept"
    BEGIN = "begin"
    HOLD = "hold"
    RESUME = "resume"
    RESOLVE = "resolve"
    VERIFY = "verify"
    CLOSE = "close"
    REOPEN = "reopen"


OUTCOMES = ("satisfied", "unreachable")
"""Outcomes of the call-back that may close; an unsatisfied resident reopens the case."""

TIERS = ("village", "township", "county", "city")
"""Who handles a case, the lowest first."""
FIRST_TIER = {
    "general": "village",
    "major": "township",
    "complex": "county",
    "cross_county": "city",
}
"""Level -> the tier that handles it first."""
SECOND_REOPEN_CYCLE, THIRD_REOPEN_CYCLE = 3, 4
RESIDENT = "case.resident"
"""The right of whoever proved by reference number that the report is theirs. No role has it."""
RESIDENT_REOPENS_WITHIN = timedelta(days=30)


@dataclass(frozen=True)
class Step:
    """One allowed step. ``rights``: any of them; ``needs``: reason, handler, outcome."""

    action: Action
    before: CaseStatus
    after: CaseStatus
    rights: frozenset[str]
    needs: frozenset[str] = frozenset()
    handler_only: bool = False
    """Among mere handlers, only the one the case is assigned to."""


def _step(
    action: Action, before: CaseStatus, after: CaseStatus, rights: str, needs: str = ""
) -> Step:
    return Step(
        action,
        before,
        after,
        frozenset(rights.split()),
        frozenset(needs.split()),
        handler_only="case.resolve" in rights,
    )


_S, _A = CaseStatus, Action
STEPS: tuple[Step, ...] = (
    _step(_A.ASSIGN, _S.TRIAGED, _S.ASSIGNED, "case.dispatch", "handler"),
    _step(_A.ACCEPT, _S.ASSIGNED, _S.ACCEPTED, "case.resolve"),
    _step(_A.REQUEST_RETURN, _S.ASSIGNED, _S.RETURN_REQUESTED, "case.resolve", "reason"),
    _step(_A.ASSIGN, _S.RETURN_REQUESTED, _S.ASSIGNED, "case.dispatch", "handler"),
    _step(_A.BEGIN, _S.ACCEPTED, _S.IN_PROGRESS, "case.resolve"),
    _step(_A.HOLD, _S.IN_PROGRESS, _S.ON_HOLD, "case.dispatch", "reason"),
    _step(_A.RESUME, _S.ON_HOLD, _S.IN_PROGRESS, "case.dispatch case.resolve"),
    _step(_A.RESOLVE, _S.IN_PROGRESS, _S.RESOLVED, "case.resolve", "reason"),
    _step(_A.VERIFY, _S.RESOLVED, _S.VERIFYING, f"case.verify {RESIDENT}"),
    _step(_A.CLOSE, _S.VERIFYING, _S.CLOSED, "case.verify", "outcome"),
    _step(_A.REOPEN, _S.VERIFYING, _S.ASSIGNED, f"case.verify {RESIDENT}", "reason"),
    _step(_A.REOPEN, _S.CLOSED, _S.ASSIGNED, f"case.verify {RESIDENT}", "reason"),
)


@dataclass(frozen=True)
class CaseFacts:
    """What the rules look at and what they change. ``owner_id`` is never empty."""

    status: CaseStatus
    owner_id: int
    handler_id: int | None = None
    dispatcher_id: int | None = None
    """Who gave it to somebody last, be it in an earlier cycle."""
    cycle_no: int = 1
    held_in_cycle: bool = False
    worked_by: frozenset[int] = frozenset()
    """Who took a step of handling in this cycle, whatever their role."""
    level: str = "general"
    tier: str = "village"
    verification_outcome: str | None = None
    closed_for: timedelta | None = None
    """How long it has been closed; None unless it is."""


@dataclass(frozen=True)
class Request:
    """Who wants which step, with what it may need. ``actor_id`` is None for a resident."""

    action: Action
    actor_id: int | None
    rights: frozenset[str]
    is_handler: bool = False
    """The actor resolves only what is assigned to him: a handler or a grid worker, no more."""
    reason: str = ""
    handler_id: int | None = None
    outcome: str | None = None


def steps_from(facts: CaseFacts, request_rights: frozenset[str]) -> list[Step]:
    """Steps that lead away from here and that these rights allow, in the table's order."""
    return [step for step in STEPS if step.before == facts.status and step.rights & request_rights]


def apply(facts: CaseFacts, request: Request) -> CaseFacts:
    """The facts after the step.

    Raises Conflict when the state has no such step, Forbidden when the actor may not take it,
    InvalidInput (with the field) when a reason, handler or outcome is missing.
    """
    step = next((s for s in STEPS if s.before == facts.status and s.action == request.action), None)
    if step is None:
        raise Conflict(N_("The case is in another state by now. Load it again."))
    _check_rights(step, facts, request)
    _check_needs(step, request)
    worked = set()
    if request.actor_id is not None and "case.resolve" in step.rights & request.rights:
        worked.add(request.actor_id)
    after = replace(facts, status=step.after, worked_by=facts.worked_by | worked)
    return _EFFECTS.get(step.action, _no_effect)(after, request)


def _check_rights(step: Step, facts: CaseFacts, request: Request) -> None:
    if not step.rights & request.rights:
        raise Forbidden(N_("Your role does not allow this. Ask your administrator."))
    foreign = facts.handler_id != request.actor_id
    dispatching = "case.dispatch" in step.rights & request.rights
    if step.handler_only and request.is_handler and foreign and not dispatching:
        raise Forbidden(N_("This case is assigned to somebody else."))
    used = step.rights & request.rights
    if "case.verify" in used and (not foreign or request.actor_id in facts.worked_by):
        raise Forbidden(N_("Who handled a case cannot verify it. Ask a colleague."))
    if used == {RESIDENT} and (facts.closed_for or timedelta()) > RESIDENT_REOPENS_WITHIN:
        raise Conflict(N_("It was closed more than 30 days ago. Report the matter anew."))
    if step.action is Action.HOLD and facts.held_in_cycle:
        raise Conflict(N_("This case was on hold once already; a second time needs a reopen."))


def _check_needs(step: Step, request: Request) -> None:
    if "reason" in step.needs and not request.reason.strip():
        raise InvalidInput(N_("Give a reason."), field="reason")
    if "handler" in step.needs and request.handler_id is None:
        raise InvalidInput(N_("Choose who handles the case."), field="handler_id")
    if "outcome" in step.needs and request.outcome not in OUTCOMES:
        raise InvalidInput(
            N_("Closing needs the outcome of the call-back. Unsatisfied: reopen the case."),
            field="outcome",
        )


def _no_effect(facts: CaseFacts, request: Request) -> CaseFacts:
    return facts


def _assigned(facts: CaseFacts, request: Request) -> CaseFacts:
    handler = request.handler_id or facts.owner_id
    return replace(facts, handler_id=handler, owner_id=handler, dispatcher_id=request.actor_id)


def _returned(facts: CaseFacts, request: Request) -> CaseFacts:
    return replace(facts, owner_id=facts.dispatcher_id or facts.owner_id)


def _held(facts: CaseFacts, request: Request) -> CaseFacts:
    return replace(facts, held_in_cycle=True)


def _verifying(facts: CaseFacts, request: Request) -> CaseFacts:
    return replace(facts, owner_id=request.actor_id or facts.owner_id)


def _closed(facts: CaseFacts, request: Request) -> CaseFacts:
    return replace(facts, verification_outcome=request.outcome)


def higher_tiers(tier: str) -> tuple[str, ...]:
    """The tiers above ``tier``, the nearest first."""
    return TIERS[TIERS.index(tier) + 1 :]


def _reopened(facts: CaseFacts, request: Request) -> CaseFacts:
    """The second time it goes to the tier above, the third time it is complex."""
    cycle = facts.cycle_no + 1
    level, tier = facts.level, facts.tier
    if cycle == SECOND_REOPEN_CYCLE:
        tier = next(iter(higher_tiers(tier)), tier)
    if cycle >= THIRD_REOPEN_CYCLE:
        level = max(level, "complex", key=list(FIRST_TIER).index)
        tier = max(tier, FIRST_TIER[level], key=TIERS.index)
    handler = request.handler_id or facts.handler_id or facts.owner_id
    return replace(
        facts,
        cycle_no=cycle,
        held_in_cycle=False,
        worked_by=frozenset(),
        verification_outcome=None,
        closed_for=None,
        handler_id=handler,
        owner_id=handler,
        level=level,
        tier=tier,
    )


_EFFECTS = {
    Action.ASSIGN: _assigned,
    Action.REQUEST_RETURN: _returned,
    Action.HOLD: _held,
    Action.VERIFY: _verifying,
    Action.CLOSE: _closed,
    Action.REOPEN: _reopened,
}
