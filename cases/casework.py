"""Carries out the steps of cases.lifecycle: version lock, owner, one CaseEvent per change."""

from __future__ import annotations

import secrets
from datetime import datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import access, lifecycle
from cases.lifecycle import Action, CaseFacts, CaseStatus, Request, Step
from cases.models import Case, CaseEvent, CaseReport, Report
from core import areas, outbox, settings
from core.auth import RIGHTS, Actor
from core.clock import utc_now
from core.database import claimed
from core.errors import N_, Conflict, InvalidInput
from core.models import User

HANDLER_ROLES = frozenset({"handler", "grid_worker", "township", "county"})
CASE_RIGHTS = frozenset({"case.dispatch", "case.resolve", "case.verify"})
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
        _check_handler(session, case, handler_id)
    facts = facts_of(session, case)
    wanted = Request(
        action, actor.id, rights_of(actor, case), is_mere_handler(actor),
        reason.strip(), handler_id, outcome,
    )  # fmt: skip
    after = lifecycle.apply(facts, wanted)
    _store(session, case, after, version)
    now = utc_now()
    note = "; ".join(part for part in (reason.strip(), outcome or "") if part) or None
    _event(session, case, actor, action.value, facts.status.value, after.status.value, note, now)
    outbox.emit(session, "case.changed", case_id=case.id)
    return case


def rights_of(actor: Actor, case: Case) -> frozenset[str]:
    """The case rights of an actor; confidential cases are graded and verified by few."""
    rights = frozenset(right for right in CASE_RIGHTS if actor.roles & RIGHTS[right])
    if not case.confidential or access.keeps_secrets(actor):
        return rights
    return rights & {"case.resolve"} if case.handler_id == actor.id else frozenset()


def is_mere_handler(actor: Actor) -> bool:
    """Whether only the role handler lets the actor resolve (then: only the own cases)."""
    return actor.roles & RIGHTS["case.resolve"] <= {"handler"}


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
        if "case.verify" in step.rights and (mine or actor.id in facts.worked_by):
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
        verification_outcome=case.verification_outcome,
    )


def events(session: Session, case_id: int) -> list[CaseEvent]:
    """Everything that happened to a case, oldest first."""
    query = sa.select(CaseEvent).where(CaseEvent.case_id == case_id).order_by(CaseEvent.id)
    return list(session.scalars(query))


def handlers_for(session: Session, case: Case) -> list[User]:
    """Active people who can be assigned to the case: its village lies in their area."""
    people = session.scalars(sa.select(User).where(User.active).order_by(User.display_name))
    return [user for user in people if _can_handle(session, user, case)]


def _can_handle(session: Session, user: User, case: Case) -> bool:
    if not HANDLER_ROLES & set(user.roles) or not user.area_code:
        return False
    if case.village_code is None:
        return True
    return case.village_code in areas.below(session, user.area_code)


def _check_handler(session: Session, case: Case, handler_id: int) -> None:
    user = session.get(User, handler_id)
    if user is None or not user.active or not _can_handle(session, user, case):
        raise InvalidInput(N_("Choose a handler of this village."), field="handler_id")


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
    actor: Actor,
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
            actor_id=actor.id,
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
