"""Cases: what is handled, by whom, how far it is, and the next steps this person may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Form, Request
from pydantic import BaseModel
from sqlalchemy.orm import Session
from starlette.responses import Response

from cases import access, answering, casework, contacts, handlers, references, reminders, tiers
from cases.lifecycle import OUTCOMES, Action, CaseStatus
from cases.models import Case, CaseEvent
from cases.vocabulary import LEVELS, SERVICE_BY_CODE, TIERS
from core import areas, audit
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, InvalidInput, XiangyinError
from core.models import Area
from desk import people
from hotline import whole_numbers
from hotline.whole_numbers import WholeNumber
from web import bridge_view, contact_view, hold_view, masks
from web.contact_view import ContactForm
from web.deps import CurrentActor, ReadSession, ServicesDep, WriteSession, attempt, services_of
from web.pages import render, see_other
from web.review_list import SecretsToo
from web.routers import case_replies
from web.routing import Router

router = Router()
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
    contacts.CONTACTED: N_("Spoke with the resident"),
    contacts.TOLD_BY_PHONE: N_("Spoke with the resident by telephone (noted by hand)"),
    contacts.TOLD_IN_PERSON: N_("Spoke with the resident face to face (noted by hand)"),
    casework.REMINDER: N_("Reminder"),
    casework.RAISED: N_("Raised to the tier above"),
    casework.HANDED_OVER: N_("Handed over: who had it cannot work on it any more"),
    answering.MADE_CONFIDENTIAL: N_("Confidential from now on"),
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


@dataclass(frozen=True)
class NumberAsked:
    """The resident's whole number, or why it is not shown."""

    whole: str = ""
    reason: str = ""
    error: XiangyinError | None = None


@router.get("/cases")
def list_page(
    request: Request, session: ReadSession, actor: CurrentActor,
    status: str = "open", mine: str = "", page: int = 0,
) -> Response:  # fmt: skip
    """Cases by status: urgent ones first, then those residents ask about again, then the oldest."""
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
    asked_about = reminders.first(reminders.of_case())
    ordered = query.order_by(Case.urgent.desc(), asked_about, Case.created_at, Case.id)
    found = list(session.scalars(ordered.limit(PAGE).offset(page * PAGE)))
    return {
        "cases": found,
        "total": total,
        "chosen": chosen,
        "mine": filters.mine,
        "page": page,
        "has_more": total > (page + 1) * PAGE,
        "statuses": STATUSES,
        "reminders": reminders.by_case(session, [case.id for case in found]),
        "villages": areas.names(session, [case.village_code for case in found]),
        "people": people.names(session, [case.owner_id for case in found]),
        "said": masks.of_cases(actor).text,
    }


@router.get("/cases/{case_id}")
def case_page(
    request: Request, services: ServicesDep, actor: CurrentActor, case_id: int
) -> Response:
    """One case; looking at it is written down, or nothing is shown."""
    with services.database.read() as session:
        case = access.case(session, actor, case_id)
        answer = case_response(request, session, actor, case)
    with services.database.write() as session:  # nobody who writes waits for a page that is read
        audit.record(session, actor.login, "case.view", f"case:{case_id}")
    return answer


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
            handler_id=int(wanted.handler_id) if wanted.handler_id.isdecimal() else None,
            outcome=wanted.outcome or None,
        )
    if tried.error:
        session.expire_all()
        case = access.case(session, actor, case_id)
        return case_response(request, session, actor, case, tried.error, wanted)
    return see_other(f"/cases/{case_id}", N_("Done: the case has moved on."))


@router.post("/cases/{case_id}/number")
def number(
    request: Request, session: WriteSession, services: ServicesDep, actor: CurrentActor,
    case_id: int, reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:  # fmt: skip
    """Show the whole number, to a handler for a day; the reason goes into the audit trail."""
    whole = WholeNumber("")
    with attempt(session) as tried:
        whole = whole_numbers.read_of_case(
            session, services.settings, services.sealer, actor, case_id, reason
        )
    if whole.until is not None:
        return see_other(f"/cases/{case_id}", N_("You see the telephone number for 24 hours."))
    case = access.case(session, actor, case_id)
    asked = NumberAsked(whole=whole.text, reason=reason, error=tried.error)
    return case_response(request, session, actor, case, tried.error, asked=asked)


def case_response(
    request: Request,
    session: Session,
    actor: Actor,
    case: Case,
    error: XiangyinError | None = None,
    wanted: Wanted | None = None,
    *,
    asked: NumberAsked | None = None,
    told: ContactForm | None = None,
) -> Response:
    """The whole page of a case, with what went wrong when something did."""
    asked, told = asked or NumberAsked(), told or ContactForm()
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
        handlers=handlers.can_take(session, case) if _assigns(steps) else [],
        reports=[(report, references.spoken(report.reference_no)) for report in reports],
        village=session.get(Area, case.village_code) if case.village_code else None,
        service=SERVICE_BY_CODE[case.service_code].label if case.service_code else "",
        level=LEVELS.get(case.level, case.level),
        bridge=bridge_view.of_case(session, services_of(request), actor, case),
        contact=contact_view.of_case(session, services_of(request), actor, case),
        contact_ways=contact_view.WAYS,
        told=told,
        keeping=hold_view.of_case(session, actor, case),
        may_reveal=whole_numbers.may_read_of_case(actor, case),
        whole_number=asked.whole,
        number_reason=asked.reason,
        number_error=asked.error,
        **case_replies.context(session, actor, case.id) | _events_context(session, actor, case),
    )


def _assigns(steps: list[Any]) -> bool:
    return any("handler" in step.needs for step in steps)


def _events_context(session: Session, actor: Actor, case: Case) -> dict[str, Any]:
    found: list[CaseEvent] = casework.events(session, case.id)
    ids = {event.actor_id for event in found} | {case.owner_id, case.handler_id}
    due_at = casework.due_at(session, case)
    return {
        "case": case,
        "due_at": due_at,
        "is_late": due_at is not None and due_at < utc_now(),
        "statuses": STATUSES,
        "actions": ACTIONS,
        "outcome_words": OUTCOME_WORDS,
        "tier": TIERS[tiers.tier_of(case)],
        "tiers": TIERS,
        "raised": casework.RAISED,
        "handed_over": casework.HANDED_OVER,
        "reminders": reminders.by_case(session, [case.id]),
        "events": found,
        "people": people.names(session, ids),
        "said": masks.of_cases(actor).text,
    }
