"""Cases: what is handled, by whom, how far it is, and the next steps this person may take."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Form, Request
from pydantic import BaseModel
from sqlalchemy.orm import Session
from starlette.responses import Response

from cases import access, casework, references
from cases.lifecycle import OUTCOMES, Action, CaseStatus
from cases.models import Case, CaseEvent
from cases.vocabulary import LEVELS, SERVICE_BY_CODE
from core import audit
from core.auth import Actor
from core.errors import N_, InvalidInput, XiangyinError
from core.models import Area, User
from web import masks
from web.deps import CurrentActor, ReadSession, WriteSession, attempt
from web.pages import render, see_other
from web.review_list import SecretsToo

router = APIRouter()
NAV = [SecretsToo(20, "/cases", N_("Cases"), "case.read")]

PAGE = 100
STATUSES = {
    CaseStatus.TRIAGED.value: (N_("To be assigned"), "warn"),
    CaseStatus.ASSIGNED.value: (N_("Assigned"), "info"),
    CaseStatus.RETURN_REQUESTED.value: (N_("Return requested"), "warn"),
    CaseStatus.ACCEPTED.value: (N_("Taken"), "info"),
    CaseStatus.IN_PROGRESS.value: (N_("In progress"), "info"),
    CaseStatus.ON_HOLD.value: (N_("On hold"), "warn"),
    CaseStatus.RESOLVED.value: (N_("Done, call-back to come"), "good"),
    CaseStatus.VERIFYING.value: (N_("Call-back"), "good"),
    CaseStatus.CLOSED.value: (N_("Closed"), ""),
}
ACTIONS = {
    "open": N_("Case opened"),
    Action.ASSIGN.value: N_("Assign"),
    Action.REQUEST_RETURN.value: N_("Ask to return it"),
    Action.ACCEPT.value: N_("Take the case"),
    Action.BEGIN.value: N_("Begin the work"),
    Action.HOLD.value: N_("Put on hold"),
    Action.RESUME.value: N_("Go on"),
    Action.RESOLVE.value: N_("Report it done"),
    Action.VERIFY.value: N_("Begin the call-back"),
    Action.CLOSE.value: N_("Close"),
    Action.REOPEN.value: N_("Reopen"),
}
OUTCOME_WORDS = {"satisfied": N_("Satisfied"), "unreachable": N_("Not reached three times")}
REASON_LABELS = {
    Action.REQUEST_RETURN.value: N_("Why it belongs to somebody else"),
    Action.HOLD.value: N_("Reason, told to the resident"),
    Action.RESOLVE.value: N_("What was done"),
    Action.REOPEN.value: N_("Why it is taken up again"),
}


class Filters(BaseModel):
    """What the list is narrowed to; "open" is everything that is not closed."""

    status: str = "open"
    mine: str = ""
    page: int = 0


class Wanted(BaseModel):
    """The form of one step."""

    action: str
    version: int
    reason: str = ""
    handler_id: str = ""
    outcome: str = ""


@router.get("/cases")
def list_page(
    request: Request, session: ReadSession, actor: CurrentActor,
    status: str = "open", mine: str = "", page: int = 0,
) -> Response:  # fmt: skip
    """Cases by status; urgent and oldest first."""
    filters = Filters(status=status, mine=mine, page=page)
    return render(request, "cases/list.html", **_list(session, actor, filters))


@router.get("/cases/list")
def list_part(
    request: Request, session: ReadSession, actor: CurrentActor,
    status: str = "open", mine: str = "", page: int = 0,
) -> Response:  # fmt: skip
    """The changing part of the list."""
    filters = Filters(status=status, mine=mine, page=page)
    return render(request, "cases/rows.html", **_list(session, actor, filters))


def _list(session: Session, actor: Actor, filters: Filters) -> dict[str, Any]:
    query = access.cases_seen(session, actor)
    chosen = filters.status if filters.status in (*STATUSES, "all") else "open"
    if chosen == "open":
        query = query.where(Case.status != CaseStatus.CLOSED.value)
    elif chosen != "all":
        query = query.where(Case.status == chosen)
    if filters.mine:
        query = query.where(sa.or_(Case.owner_id == actor.id, Case.handler_id == actor.id))
    total = session.scalar(sa.select(sa.func.count()).select_from(query.subquery())) or 0
    page = max(0, min(filters.page, 10_000))
    ordered = query.order_by(Case.urgent.desc(), Case.created_at, Case.id)
    found = list(session.scalars(ordered.limit(PAGE).offset(page * PAGE)))
    return {
        "cases": found,
        "total": total,
        "chosen": chosen,
        "mine": filters.mine,
        "page": page,
        "has_more": total > (page + 1) * PAGE,
        "statuses": STATUSES,
        "villages": _names(session, Area.code, Area.name, {c.village_code for c in found}),
        "people": _names(session, User.id, User.display_name, {c.owner_id for c in found}),
        "said": masks.of_cases(actor).text,
    }


def _names(session: Session, key: Any, name: Any, wanted: set[Any]) -> dict[Any, str]:
    rows = session.execute(sa.select(key, name).where(key.in_(wanted - {None})))
    return {found: text for found, text in rows}


@router.get("/cases/{case_id}")
def case_page(
    request: Request, session: WriteSession, actor: CurrentActor, case_id: int
) -> Response:
    """One case; looking at it is written down."""
    case = access.case(session, actor, case_id)
    audit.record(session, actor.login, "case.view", f"case:{case.id}")
    return _page(request, session, actor, case)


@router.get("/cases/{case_id}/events")
def events_part(
    request: Request, session: ReadSession, actor: CurrentActor, case_id: int
) -> Response:
    """The changing part of a case: where it stands and what happened."""
    case = access.case(session, actor, case_id)
    return render(request, "cases/events.html", **_events_context(session, actor, case))


@router.post("/cases/{case_id}/step")
def step(
    request: Request,
    session: WriteSession,
    actor: CurrentActor,
    case_id: int,
    wanted: Annotated[Wanted, Form()],
) -> Response:
    """Take one step; what is missing is said beside its field."""
    with attempt(session) as tried:
        if wanted.action not in list(Action):
            raise InvalidInput(N_("Use one of the buttons of the page."))
        casework.transition(
            session,
            actor,
            case_id,
            Action(wanted.action),
            wanted.version,
            reason=wanted.reason[:2000],
            handler_id=int(wanted.handler_id) if wanted.handler_id.isdigit() else None,
            outcome=wanted.outcome or None,
        )
    if tried.error:
        session.expire_all()
        case = access.case(session, actor, case_id)
        return _page(request, session, actor, case, tried.error, wanted)
    return see_other(f"/cases/{case_id}", N_("Done: the case has moved on."))


def _page(
    request: Request,
    session: Session,
    actor: Actor,
    case: Case,
    error: XiangyinError | None = None,
    wanted: Wanted | None = None,
) -> Response:
    steps = casework.steps_for(session, actor, case)
    reports = access.reports_of(session, actor, case)
    return render(
        request,
        "cases/case.html",
        error=error,
        wanted=wanted or Wanted(action="", version=case.version),
        steps=steps,
        reason_labels=REASON_LABELS,
        outcomes=[(outcome, OUTCOME_WORDS[outcome]) for outcome in OUTCOMES],
        handlers=casework.handlers_for(session, case) if _assigns(steps) else [],
        reports=[(report, references.spoken(report.reference_no)) for report in reports],
        village=session.get(Area, case.village_code) if case.village_code else None,
        service=SERVICE_BY_CODE[case.service_code].label if case.service_code else "",
        level=LEVELS.get(case.level, case.level),
        **_events_context(session, actor, case),
    )


def _assigns(steps: list[Any]) -> bool:
    return any("handler" in step.needs for step in steps)


def _events_context(session: Session, actor: Actor, case: Case) -> dict[str, Any]:
    found: list[CaseEvent] = casework.events(session, case.id)
    ids = {event.actor_id for event in found} | {case.owner_id, case.handler_id}
    return {
        "case": case,
        "statuses": STATUSES,
        "actions": ACTIONS,
        "outcome_words": OUTCOME_WORDS,
        "events": found,
        "people": _names(session, User.id, User.display_name, ids),
        "said": masks.of_cases(actor).text,
    }
