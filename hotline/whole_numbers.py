"""Reading a resident's whole number: few may, for a reason, and it is on record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import access, casework
from cases.lifecycle import CaseStatus
from cases.models import Case, Report
from core import audit
from core.auth import Actor
from core.clock import utc_now
from core.errors import N_, Forbidden, InvalidInput, NotFound
from core.models import AuditEntry
from core.sealed import Sealer
from core.settings import Settings
from hotline import callback_work
from hotline.models import CallBack
from hotline.outgoing import orders, roads

REASON_CHARS = 4
"""A reason shorter than this is none."""
HANDLER_READS_FOR = timedelta(hours=24)
REVEAL = "number.reveal"


@dataclass(frozen=True)
class WholeNumber:
    """``until``: how long its page shows it; None: on this answer alone."""

    text: str
    until: datetime | None = None


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
    return actor.may(REVEAL) and (village_code is not None or "county" in actor.roles)


def handler_may_read(
    session: Session, sealer: Sealer, settings: Settings, actor: Actor, case: Case
) -> bool:
    """Whether a handler phones the resident of a case himself, for no line could join the two.

    Of a case he took, while he works on it; never of a confidential one.
    """
    if case.confidential or not casework.is_mere_handler(actor):
        return False
    if not (actor.may("number.reveal_own") and orders.may_call_resident(actor, case)):
        return False
    sealed = orders.resident_of_case(session, case)
    return sealed is not None and not roads.has_line_to(sealed, sealer, settings)


def shown_to_handler(
    session: Session, sealer: Sealer, settings: Settings, actor: Actor, case: Case
) -> WholeNumber | None:
    """The number that a handler asked for within the last day and may still read."""
    if not handler_may_read(session, sealer, settings, actor, case):
        return None
    sealed = orders.resident_of_case(session, case)
    until = _readable_until(session, actor, _subject(case))
    if sealed is None or until is None:
        return None
    return WholeNumber(sealer.unseal(sealed), until)


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


def read_of_case(
    session: Session, settings: Settings, sealer: Sealer, actor: Actor, case_id: int, reason: str
) -> WholeNumber:
    """Like ``read_of_call_back``, of the resident whom an open case is about.

    A handler sees it for a day; pressing again meanwhile neither lengthens it nor is told twice.
    """
    case = access.case(session, actor, case_id)
    session.get_one(Case, case.id, with_for_update=True)  # a double press queues here
    sealed = orders.resident_of_case(session, case)
    if not handler_may_read(session, sealer, settings, actor, case):
        allowed = may_read_of_case(actor, case)
        text = _read(session, actor, sealer, _subject(case), sealed, reason, allowed=allowed)
        return WholeNumber(text)
    shown = shown_to_handler(session, sealer, settings, actor, case)
    if shown is not None:
        return shown
    until = utc_now() + HANDLER_READS_FOR
    text = _read(session, actor, sealer, _subject(case), sealed, reason, allowed=True, until=until)
    return WholeNumber(text, until)


def _subject(case: Case) -> str:
    return f"case:{case.id}"


def _readable_until(session: Session, actor: Actor, subject: str) -> datetime | None:
    """Until when the actor's last press counts; None when it no longer does."""
    details = session.scalars(
        sa.select(AuditEntry.detail)
        .where(
            AuditEntry.subject == subject,
            AuditEntry.actor == actor.login,
            AuditEntry.action == REVEAL,
        )
        .order_by(AuditEntry.id.desc())
    )
    told = next((detail["until"] for detail in details if "until" in detail), None)
    until = datetime.fromisoformat(told) if told else None
    return until if until is not None and utc_now() < until else None


def _read(
    session: Session,
    actor: Actor,
    sealer: Sealer,
    subject: str,
    sealed: str | None,
    reason: str,
    *,
    allowed: bool,
    until: datetime | None = None,
) -> str:
    if not allowed:
        raise Forbidden(N_("You do not read the whole number here. Let the hotline connect you."))
    if len(reason.strip()) < REASON_CHARS:
        raise InvalidInput(N_("Say in a few words what you need the number for."), field="reason")
    if sealed is None:
        raise NotFound(N_("No telephone number came with it."))
    kept = {"until": until.isoformat()} if until is not None else {}
    audit.record(session, actor.login, REVEAL, subject, reason=reason.strip()[:200], **kept)
    return sealer.unseal(sealed)
