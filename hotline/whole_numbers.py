"""Reading a resident's whole number: few may, for a reason, and it is on record."""

from __future__ import annotations

from sqlalchemy.orm import Session

from cases import access
from cases.lifecycle import CaseStatus
from cases.models import Case, Report
from core import audit
from core.auth import Actor
from core.errors import N_, Forbidden, InvalidInput, NotFound
from core.sealed import Sealer
from hotline import callback_work
from hotline.models import CallBack
from hotline.outgoing import orders

REASON_CHARS = 4
"""A reason shorter than this is none."""


def may_read_of_call_back(session: Session, actor: Actor, task: CallBack) -> bool:
    """Whether the actor, who sees the task, reads its number."""
    report = session.get(Report, task.report_id) if task.report_id else None
    is_secret = task.confidential or (report is not None and report.confidential)
    return _may_read(actor, task.village_code, is_secret=is_secret)


def may_read_of_case(actor: Actor, case: Case) -> bool:
    """Whether the actor, who sees the case, reads its resident's number; of a closed one nobody."""
    if case.status == CaseStatus.CLOSED:
        return False
    return _may_read(actor, case.village_code, is_secret=case.confidential)


def _may_read(actor: Actor, village_code: str | None, *, is_secret: bool) -> bool:
    """Of somebody from nowhere known only the county does."""
    if is_secret and not access.keeps_secrets(actor):
        return False
    return actor.may("number.reveal") and (village_code is not None or "county" in actor.roles)


def read_of_call_back(
    session: Session, actor: Actor, sealer: Sealer, task_id: int, reason: str
) -> str:
    """The number to phone for a task; the reason goes into the audit trail.

    Raises NotFound (no task, no number), Forbidden or InvalidInput (no reason); nothing is written
    then.
    """
    task = callback_work.task(session, actor, task_id)
    allowed = may_read_of_call_back(session, actor, task)
    sealed = orders.resident_of_call_back(session, task)
    return _read(session, actor, sealer, f"callback:{task.id}", sealed, reason, allowed=allowed)


def read_of_case(session: Session, actor: Actor, sealer: Sealer, case_id: int, reason: str) -> str:
    """Like ``read_of_call_back``, of the resident whom an open case is about."""
    case = access.case(session, actor, case_id)
    allowed = may_read_of_case(actor, case)
    sealed = orders.resident_of_case(session, case)
    return _read(session, actor, sealer, f"case:{case.id}", sealed, reason, allowed=allowed)


def _read(
    session: Session,
    actor: Actor,
    sealer: Sealer,
    subject: str,
    sealed: str | None,
    reason: str,
    *,
    allowed: bool,
) -> str:
    if not allowed:
        raise Forbidden(N_("You do not read the whole number here. Let the hotline connect you."))
    if len(reason.strip()) < REASON_CHARS:
        raise InvalidInput(N_("Say in a few words what you need the number for."), field="reason")
    if sealed is None:
        raise NotFound(N_("No telephone number came with it."))
    audit.record(session, actor.login, "number.reveal", subject, reason=reason.strip()[:200])
    return sealer.unseal(sealed)
