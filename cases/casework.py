"""Carries out the steps of cases.lifecycle: version lock, owner, one CaseEvent per change."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import access, answering, case_ledger, deadlines, handlers, lifecycle, tiers
from cases.answering import HANDED_OVER as HANDED_OVER
from cases.lifecycle import Action, CaseFacts, CaseStatus, Request, Step
from cases.models import Case, CaseEvent, CaseReport, Report
from core import settings
from core.auth import RIGHTS, Actor
from core.clock import utc_now

CASE_RIGHTS = frozenset({"case.dispatch", "case.resolve", "case.verify"})
REMINDER = "reminder"
RAISED = "raised"
"""Action of the event that tells that a higher tier handles the case; its reason is the tier."""
_HANDLING = {Action.ACCEPT, Action.BEGIN, Action.RESUME, Action.RESOLVE, Action.REQUEST_RETURN}
_TO_WHO_HAD_IT = {Action.REOPEN, Action.REQUEST_RETURN}
"""Steps whose new owner is known from before, and may be gone by now."""


def open_case(
    session: Session,
    actor: Actor,
    report: Report,
    *,
    title: str,
    summary: str,
    service_code: str | None,
    level: str,
    urgent: bool,
) -> Case:
    """A new case for ``report``, owned by whoever opened it until it is assigned."""
    now = utc_now()
    case = Case(
        case_no=_new_number(session, now),
        title=title,
        summary=summary,
        service_code=service_code,
        level=level,
        urgent=urgent,
        confidential=report.confidential,
        status=CaseStatus.TRIAGED.value,
        village_code=report.village_code,
        owner_id=actor.id,
        created_at=now,
    )
    session.add(case)
    session.flush()
    session.add(CaseReport(case_id=case.id, report_id=report.id))
    case_ledger.note(session, case, actor, "open", None, case.status, None, now)
    case_ledger.tell(session, case)
    return case


def transition(
    session: Session,
    actor: Actor,
    case_id: int,
    action: Action,
    version: int,
    *,
    reason: str = "",
    handler_id: int | None = None,
    outcome: str | None = None,
) -> Case:
    """Take one step. Raises NotFound outside the area, Conflict when ``version`` is old.

    InvalidInput names the field (reason, handler_id, outcome) that the step needs.
    """
    case = access.case(session, actor, case_id)
    if handler_id is not None:
        handlers.require(session, case, handler_id)
    facts = facts_of(session, case)
    wanted = Request(
        action, actor.id, rights_of(actor, case), is_mere_handler(actor),
        reason.strip(), handler_id, outcome,
    )  # fmt: skip
    after = _apply(session, case, facts, wanted)
    _store(session, case, after, version)
    now = utc_now()
    note = "; ".join(part for part in (reason.strip(), outcome or "") if part) or None
    before, reached = facts.status.value, after.status.value
    case_ledger.note(session, case, actor, action.value, before, reached, note, now)
    _note_tier(session, case, actor, facts, after, now)
    if action in _TO_WHO_HAD_IT:
        answering.ensure(session, case, actor.id)
    case_ledger.tell(session, case)
    return case


def rights_of(actor: Actor, case: Case) -> frozenset[str]:
    """The case rights of an actor; confidential cases are graded and verified by few."""
    rights = frozenset(right for right in CASE_RIGHTS if actor.roles & RIGHTS[right])
    if not case.confidential or access.keeps_secrets(actor):
        return rights
    return rights & {"case.resolve"} if case.handler_id == actor.id else frozenset()


def is_mere_handler(actor: Actor) -> bool:
    """Whether the actor resolves only what is assigned to him: handlers and grid workers."""
    return actor.roles & RIGHTS["case.resolve"] <= handlers.MERE


def steps_for(session: Session, actor: Actor, case: Case) -> list[Step]:
    """The steps whose buttons this actor is shown: allowed by role and by who worked on it."""
    facts = facts_of(session, case)
    mine = facts.handler_id == actor.id
    rights = rights_of(actor, case)
    found = []
    for step in lifecycle.steps_from(facts, rights):
        dispatching = "case.dispatch" in step.rights & rights
        if step.handler_only and is_mere_handler(actor) and not mine and not dispatching:
            continue
        if "case.verify" in step.rights & rights and (mine or actor.id in facts.worked_by):
            continue
        if step.action is Action.HOLD and facts.held_in_cycle:
            continue
        found.append(step)
    return found


def facts_of(session: Session, case: Case) -> CaseFacts:
    """The facts the pure rules need, from the row and what happened.

    Who dispatched it may have done so in an earlier cycle: a reopened case is not assigned anew.
    """
    happened = events(session, case.id)
    dispatchers = [e.actor_id for e in happened if e.action == Action.ASSIGN and e.actor_id]
    now = [e for e in happened if e.cycle_no == case.cycle_no]
    return CaseFacts(
        status=CaseStatus(case.status),
        owner_id=case.owner_id,
        handler_id=case.handler_id,
        dispatcher_id=dispatchers[-1] if dispatchers else None,
        cycle_no=case.cycle_no,
        held_in_cycle=any(e.action == Action.HOLD for e in now),
        worked_by=frozenset(e.actor_id for e in now if e.action in _HANDLING and e.actor_id),
        level=case.level,
        tier=tiers.tier_of(case),
        verification_outcome=case.verification_outcome,
        closed_for=_closed_for(case, now),
    )


def _closed_for(case: Case, events: Sequence[CaseEvent]) -> timedelta | None:
    closings = [e.at for e in events if e.action == Action.CLOSE]
    is_closed = case.status == CaseStatus.CLOSED and closings
    return utc_now() - closings[-1] if is_closed else None


def reopen_for_resident(session: Session, case: Case, reason: str) -> None:
    """What the person whose trouble it is may do without any role: have it taken up again.

    Where the call-back is still to come, the resident's own word is the call-back. Raises
    Conflict when it is in work, or closed for too long; ``case`` is freshly read.
    """
    if case.status == CaseStatus.RESOLVED:
        _resident_steps(session, case, Action.VERIFY, reason)
    _resident_steps(session, case, Action.REOPEN, reason)
    answering.ensure(session, case, None)
    case_ledger.tell(session, case)


def _resident_steps(session: Session, case: Case, action: Action, reason: str) -> None:
    facts = facts_of(session, case)
    wanted = Request(action, None, frozenset({lifecycle.RESIDENT}), reason=reason)
    after = _apply(session, case, facts, wanted)
    _store(session, case, after, case.version)
    before, now = facts.status.value, utc_now()
    case_ledger.note(session, case, None, action.value, before, after.status.value, reason, now)
    _note_tier(session, case, None, facts, after, now)


def _apply(session: Session, case: Case, facts: CaseFacts, wanted: Request) -> CaseFacts:
    after = lifecycle.apply(facts, wanted)
    if after.tier == facts.tier or wanted.handler_id is not None:
        return after
    people = [user for user in handlers.can_take(session, case) if user.id != wanted.actor_id]
    return tiers.taken_over(session, after, people)


def _note_tier(
    session: Session,
    case: Case,
    actor: Actor | None,
    before: CaseFacts,
    after: CaseFacts,
    at: datetime,
) -> None:
    if after.tier != before.tier:
        status = after.status.value
        case_ledger.note(session, case, actor, RAISED, status, status, after.tier, at)


def remember_reminder(session: Session, case: Case, reason: str) -> None:
    """催办: the resident asks again while the case is in work; its state stays."""
    case_ledger.note(session, case, None, REMINDER, case.status, case.status, reason, utc_now())
    case_ledger.tell(session, case)


def due_at(session: Session, case: Case) -> datetime | None:
    """Until when it is to be solved; None when that is done. A rest moves it while it lasts."""
    if CaseStatus(case.status) in deadlines.DONE:
        return None
    happened = events(session, case.id)
    start = deadlines.cycle_started_at(happened, case.cycle_no, case.created_at)
    rested = deadlines.time_on_hold(happened, case.cycle_no, utc_now())
    return deadlines.due_at(case.level, case.service_code, case.urgent, start, rested)


def hold_reason(session: Session, case: Case) -> str | None:
    """Why it rests, in the words meant for the resident; None unless it does."""
    if case.status != CaseStatus.ON_HOLD:
        return None
    holds = [e for e in events(session, case.id) if e.action == Action.HOLD]
    return holds[-1].reason if holds else None


def events(session: Session, case_id: int) -> list[CaseEvent]:
    """Everything that happened to a case, oldest first."""
    query = sa.select(CaseEvent).where(CaseEvent.case_id == case_id).order_by(CaseEvent.id)
    return list(session.scalars(query))


def _store(session: Session, case: Case, after: CaseFacts, version: int) -> None:
    case_ledger.change(
        session,
        case,
        version,
        status=after.status.value,
        owner_id=after.owner_id,
        handler_id=after.handler_id,
        cycle_no=after.cycle_no,
        level=after.level,
        tier=after.tier,
        verification_outcome=after.verification_outcome,
    )


def _new_number(session: Session, now: datetime) -> str:
    day = now.astimezone(ZoneInfo(settings.load().zone)).strftime("%Y%m%d")
    while True:
        number = f"{day}-{secrets.randbelow(100_000):05d}"
        if session.scalar(sa.select(Case.id).where(Case.case_no == number)) is None:
            return number
