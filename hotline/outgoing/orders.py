"""Who may ask the hotline to join whom; the row it writes is the order. No number is shown."""

from __future__ import annotations

import uuid
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import access, casework
from cases.lifecycle import CaseStatus
from cases.models import Case, CaseReport, Report
from core import audit, bell, outbox
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, Conflict, Forbidden, InvalidInput
from core.sealed import Sealer
from core.settings import Settings
from hotline import callback_work
from hotline.models import CallBack, OutgoingCall, StaffPhone
from hotline.outgoing import numbers
from hotline.outgoing.outcomes import BELL

NEWS = "outgoing.changed"
RUNNING = ("wanted", "sent")
GOOD_FOR = timedelta(minutes=2)
PERSON_PER_HOUR = 20
HANDLER_STATES = (CaseStatus.ACCEPTED, CaseStatus.IN_PROGRESS, CaseStatus.ON_HOLD)
NOT_ALLOWED = N_("Only the handler who took this case may be connected with its resident.")
NOT_CALLED = N_(
    "This number is short, abroad or charged as a service, and the number of a caller can be "
    "forged: the hotline does not call it. Whoever may read the whole number decides whether to "
    "call it from another telephone."
)


def may_call_resident(actor: Actor, case: Case) -> bool:
    """Whether the actor may ever be joined with the resident of a case that he sees.

    A handler or grid worker: of a case he took, while he works on it, never of a confidential
    one. Township and county: of any open case. Confidential ones: the custodian and the county.
    """
    if case.status == CaseStatus.CLOSED:
        return False
    if case.confidential:
        return access.keeps_secrets(actor)
    if not actor.may("case.call"):
        return False
    if casework.is_mere_handler(actor):
        return case.handler_id == actor.id and case.status in HANDLER_STATES
    return True


def request_bridge_for_case(
    session: Session, settings: Settings, sealer: Sealer, actor: Actor, case_id: int
) -> OutgoingCall:
    """Order a call that joins the actor's phone with the resident's; the running one if any.

    Raises NotFound, Forbidden, Conflict (limit, no number or none to call, a colleague is on it) or
    InvalidInput (no own phone yet); nothing is written then.
    """
    case = access.case(session, actor, case_id)
    if not may_call_resident(actor, case):
        raise Forbidden(NOT_ALLOWED)
    session.get_one(Case, case.id, with_for_update=True)  # two who press at once queue here
    resident = resident_of_case(session, case)
    if resident is None:
        raise Conflict(N_("No telephone number came with this case, so nobody can be called."))
    if not numbers.may_call_sealed(resident, sealer, settings):
        raise Conflict(NOT_CALLED)
    return _request(session, settings, actor, OutgoingCall.case_id == case.id, case_id=case.id)


def request_bridge_for_call_back(
    session: Session, settings: Settings, sealer: Sealer, actor: Actor, call_back_id: int
) -> OutgoingCall:
    """Like ``request_bridge_for_case``, for an open call-back task."""
    task = callback_work.task(session, actor, call_back_id)
    session.get_one(CallBack, task.id, with_for_update=True)
    if task.state != "open":
        raise Conflict(N_("This call-back is done already. Load the list again."))
    resident = resident_of_call_back(session, task)
    if resident is None:
        raise Conflict(N_("The caller's number was withheld, so nobody can be called."))
    if not numbers.may_call_sealed(resident, sealer, settings):
        raise Conflict(NOT_CALLED)
    return _request(
        session, settings, actor, OutgoingCall.call_back_id == task.id, call_back_id=task.id
    )


def resident_of_case(session: Session, case: Case) -> str | None:
    """The sealed number of whom the case is about: the resident's own before a helper's.

    A confidential report joined to an open case lends it no number.
    """
    reports = session.scalars(
        sa.select(Report)
        .join(CaseReport, CaseReport.report_id == Report.id)
        .where(CaseReport.case_id == case.id)
        .order_by(Report.id)
    )
    open_to_it = [one for one in reports if case.confidential or not one.confidential]
    told = [one.resident_phone_sealed or one.caller_sealed for one in open_to_it]
    return next((number for number in told if number), None)


def resident_of_call_back(session: Session, task: CallBack) -> str | None:
    """The sealed number to phone: of the caller, else of the report that asks for it."""
    report = session.get(Report, task.report_id) if task.report_id else None
    if task.caller_sealed or report is None:
        return task.caller_sealed
    return report.resident_phone_sealed or report.caller_sealed


def running(session: Session, of_subject: sa.ColumnElement[bool]) -> OutgoingCall | None:
    """The order of this subject that is not over yet."""
    return session.scalar(
        sa.select(OutgoingCall)
        .where(of_subject, OutgoingCall.state.in_(RUNNING))
        .order_by(OutgoingCall.requested_at.desc())
        .limit(1)
    )


def newest(session: Session, of_subject: sa.ColumnElement[bool]) -> OutgoingCall | None:
    """The latest order of this subject, over or not."""
    return session.scalar(
        sa.select(OutgoingCall)
        .where(of_subject, OutgoingCall.kind == "bridge")
        .order_by(OutgoingCall.requested_at.desc())
        .limit(1)
    )


def has_own_phone(session: Session, actor: Actor) -> bool:
    phone = session.get(StaffPhone, actor.id)
    return phone is not None and bool(phone.number_sealed)


def _request(
    session: Session,
    settings: Settings,
    actor: Actor,
    of_subject: sa.ColumnElement[bool],
    *,
    case_id: int | None = None,
    call_back_id: int | None = None,
) -> OutgoingCall:
    if not has_own_phone(session, actor):
        raise InvalidInput(
            N_(
                "The hotline does not know your telephone yet. Enter it under “My telephone”, "
                "then try again."
            )
        )
    before = running(session, of_subject)
    if before is not None and before.requested_by_id == actor.id:
        return before
    if before is not None:
        raise Conflict(N_("A colleague is being connected with this resident at this moment."))
    _require_below_limits(session, settings, actor)
    now = utc_now()
    order = OutgoingCall(
        id=str(uuid.uuid4()),
        kind="bridge",
        state="wanted",
        case_id=case_id,
        call_back_id=call_back_id,
        requested_by_id=actor.id,
        requested_at=now,
        expires_at=now + GOOD_FOR,
    )
    session.add(order)
    session.flush()
    subject = f"case:{case_id}" if case_id is not None else f"call_back:{call_back_id}"
    audit.record(session, actor.login, "call.bridge", subject, order=order.id)
    outbox.emit(session, NEWS, order_id=order.id)
    bell.ring_after_commit(session, BELL)
    return order


def _require_below_limits(session: Session, settings: Settings, actor: Actor) -> None:
    since = utc_now() - timedelta(hours=1)
    lately = sa.select(sa.func.count()).where(
        OutgoingCall.kind == "bridge",
        OutgoingCall.requested_at > since,
        sa.or_(OutgoingCall.result.is_(None), OutgoingCall.result.not_in(("limit", "expired"))),
    )
    own = session.scalar(lately.where(OutgoingCall.requested_by_id == actor.id)) or 0
    if own >= PERSON_PER_HOUR:
        raise Conflict(
            N_("You were connected %(count)d times within an hour. Try again later."),
            params={"count": PERSON_PER_HOUR},
        )
    if (session.scalar(lately) or 0) >= settings.bridges_per_hour:
        raise Conflict(
            N_("The hotline made %(count)d calls within the hour, its limit. Try again later."),
            params={"count": settings.bridges_per_hour},
        )
