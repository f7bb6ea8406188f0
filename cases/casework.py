"""Carries out the steps of cases.lifecycle: version lock, owner, one CaseEvent per change."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import access, deadlines, handlers, lifecycle, tiers
from cases.lifecycle import Action, CaseFacts, CaseStatus, Request, Step
from cases.models import Case, CaseEvent, CaseReport, Report
from core import outbox, settings
from core.auth import RIGHTS, Actor
from core.clock import utc_now
from core.database import claimed
from core.errors import N_, Conflict

CASE_RIGHTS = frozenset({"case.dispatch", "case.resolve", "case.verify"})
REMINDER = "reminder"
HANDED_OVER = "handed_over"
RAISED = "raised"
"""Action of the event that tells that a higher tier handles the case; its reason is the tier."""
_HANDLING = {Action.ACCEPT, Action.BEGIN, Action.RESUME, Action.RESOLVE, Action.REQUEST_RETURN}


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
    _event(session, case, actor, "open", None, case.status, None, now)
    outbox.emit(session, "case.changed", case_id=case.id)
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
    _event(session, case, actor, action.value, facts.status.value, after.status.value, note, now)
    _note_tier(session, case, actor, facts, after, now)
    outbox.emit(session, "case.changed", case_id=case.id)
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
    """The facts the pure rules need, from the row and this cycle's events."""
    events = session.scalars(
        sa.select(CaseEvent)
        .where(CaseEvent.case_id == case.id, CaseEvent.cycle_no == case.cycle_no)
        .order_by(CaseEvent.id)
    ).all()
    dispatchers = [e.actor_id for e in events if e.action == Action.ASSIGN and e.actor_id]
    return CaseFacts(
        status=CaseStatus(case.status),
        owner_id=case.owner_id,
        handler_id=case.handler_id,
        dispatcher_id=dispatchers[-1] if dispatchers else None,
        cycle_no=case.cycle_no,
        held_in_cycle=any(e.action == Action.HOLD for e in events),
        worked_by=frozenset(e.actor_id for e in events if e.action in _HANDLING and e.actor_id),
        level=case.level,
        tier=tiers.tier_of(case),
        verification_outcome=case.verification_outcome,
        closed_for=_closed_for(case, events),
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
    outbox.emit(session, "case.changed", case_id=case.id)


def _resident_steps(session: Session, case: Case, action: Action, reason: str) -> None:
    facts = facts_of(session, case)
    wanted = Request(action, None, frozenset({lifecycle.RESIDENT}), reason=reason)
    after = _apply(session, case, facts, wanted)
    _store(session, case, after, case.version)
    before, now = facts.status.value, utc_now()
    _event(session, case, None, action.value, before, after.status.value, reason, now)
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
        _event(session, case, actor, RAISED, status, status, after.tier, at)


def hand_over(session: Session, case: Case, after: CaseFacts, of_whom: str) -> None:
    """The case goes to other hands as it stands; ``of_whom``: the name of who had it."""
    _store(session, case, after, case.version)
    _event(session, case, None, HANDED_OVER, case.status, case.status, of_whom, utc_now())
    outbox.emit(session, "case.changed", case_id=case.id)


def remember_reminder(session: Session, case: Case, reason: str) -> None:
    """催办: the resident asks again while the case is in work; its state stays."""
    _event(session, case, None, REMINDER, case.status, case.status, reason, utc_now())
    outbox.emit(session, "case.changed", case_id=case.id)


def due_at(session: Session, case: Case) -> datetime | None:
    """Until when it is to be solved; None when that is done. A rest moves it while it lasts."""
    if CaseStatus(case.status) in deadlines.DONE:
        return None
    happened = events(session, case.id)
    start = deadlines.cycle_started_at(happened, case.cycle_no, case.created_at)
    rested = deadlines.time_on_hold(happened, case.cycle_no, utc_now())
    return deadlines.due_at(case.level, case.service_code, case.urgent, start, rested)


def events(session: Session, case_id: int) -> list[CaseEvent]:
    """Everything that happened to a case, oldest first."""
    query = sa.select(CaseEvent).where(CaseEvent.case_id == case_id).order_by(CaseEvent.id)
    return list(session.scalars(query))


def _store(session: Session, case: Case, after: CaseFacts, version: int) -> None:
    changed = session.execute(
        sa.update(Case)
        .where(Case.id == case.id, Case.version == version)
        .values(
            status=after.status.value,
            owner_id=after.owner_id,
            handler_id=after.handler_id,
            cycle_no=after.cycle_no,
            level=after.level,
            tier=after.tier,
            verification_outcome=after.verification_outcome,
            version=version + 1,
        )
        .execution_options(synchronize_session=False)
    )
    if not claimed(changed):
        raise Conflict(N_("Somebody changed this case meanwhile. Load it again and decide anew."))
    session.refresh(case)


def _event(
    session: Session,
    case: Case,
    actor: Actor | None,
    action: str,
    before: str | None,
    after: str,
    reason: str | None,
    at: datetime,
) -> None:
    session.add(
        CaseEvent(
            case_id=case.id,
            at=at,
            actor_id=actor.id if actor else None,
            action=action,
            before=before,
            after=after,
            reason=reason,
            cycle_no=case.cycle_no,
        )
    )
    session.flush()


def _new_number(session: Session, now: datetime) -> str:
    day = now.astimezone(ZoneInfo(settings.load().zone)).strftime("%Y%m%d")
    while True:
        number = f"{day}-{secrets.randbelow(100_000):05d}"
        if session.scalar(sa.select(Case.id).where(Case.case_no == number)) is None:
            return number
