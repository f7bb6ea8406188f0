"""A person listens to a report, mends its words, and turns it into a case or says why not.

Every write carries the version the person saw; whoever comes second is told who was first and
keeps the own text. A draft that another person's draft replaces stays in the report's history.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import access, casework, dialects, ledger, listening
from cases.lifecycle import REPORT_ROADS, ReportState
from cases.models import Case, CaseReport, Report
from cases.vocabulary import LEVELS, SERVICE_BY_CODE
from core import outbox
from core.auth import Actor
from core.errors import N_, Conflict, InvalidInput
from core.models import Area
from transcribe import transcripts

NO_CONTENT = "no_content"
REFUSED = "report.refused"
"""News: somebody has to be told why, and where to turn."""
MAX_TITLE = 120
MAX_TEXT = 20_000


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What the operator fills in to accept. ``unheard_reason``: why a sound was not played out."""

    summary: str
    title: str = ""
    service_code: str | None = None
    village_code: str | None = None
    level: str = "general"
    urgent: bool = False
    dialect: str | None = None
    unheard_reason: str = ""


def start(session: Session, actor: Actor, report_id: int) -> Report:
    """Take a received report under review; one that is under review already stays so."""
    report = _mine(session, actor, report_id)
    if report.state == ReportState.RECEIVED:
        ledger.change(session, actor, report, report.version, state=ReportState.UNDER_REVIEW.value)
        ledger.note(session, actor, report, "start", ReportState.RECEIVED)
        ledger.tell(session, report)
    return report


def save_draft(session: Session, actor: Actor, report_id: int, text: str, version: int) -> Report:
    """Keep the text as typed so far. Conflict (telling who) when ``version`` is old."""
    report = _open(session, actor, report_id)
    _check_length(text)
    replaced = report.draft if report.draft_by_id not in (None, actor.id) else None
    ledger.change(session, actor, report, version, draft=text, draft_by_id=actor.id)
    if replaced:
        ledger.note(session, actor, report, "draft_replaced", report.state, replaced)
    return report


def correct_text(
    session: Session,
    actor: Actor,
    report_id: int,
    text: str,
    version: int,
    based_on_version: int | None,
    *,
    draft: str | None = None,
    verbatim: bool = False,
) -> Report:
    """Store the operator's wording as a new transcript version.

    ``verbatim``: the operator says that it is word for word what is said.
    ``draft``: what else was typed and is not decided yet.
    ``based_on_version``: the version of the text the operator saw, None when there was none.
    """
    report = _open(session, actor, report_id)
    _check_length(text)
    if verbatim and not listening.heard(session, actor, report):
        raise InvalidInput(
            N_("Play the recording to its end before you call the text word for word."),
            field="verbatim",
        )
    ledger.change(session, actor, report, version, draft=draft, draft_by_id=actor.id)
    transcripts.save_edit(
        session, "report", report.id, text, actor.id, based_on_version, verbatim=verbatim
    )
    ledger.note(session, actor, report, "correct_text", report.state)
    ledger.tell(session, report)
    return report


def set_dialect(
    session: Session, actor: Actor, report_id: int, version: int, dialect: str
) -> Report:
    """Say in which dialect somebody speaks ("" for none): it goes to those who understand it."""
    report = _open(session, actor, report_id)
    name = dialects.tidy(dialect) or None
    if report.dialect == name:
        return report
    ledger.change(session, actor, report, version, dialect=name)
    ledger.note(session, actor, report, "dialect", report.state, name)
    ledger.tell(session, report)
    return report


def accept(
    session: Session, actor: Actor, report_id: int, version: int, decision: Decision
) -> Case:
    """Turn the report into a case. InvalidInput names the field that is missing."""
    report = _open(session, actor, report_id)
    _check_decision(session, actor, report, decision)
    before = report.state
    summary = decision.summary.strip()
    ledger.change(
        session,
        actor,
        report,
        version,
        state=ReportState.ACCEPTED.value,
        summary=summary,
        draft=None,
        dialect=dialects.tidy(decision.dialect or "") or None,
        village_code=decision.village_code or report.village_code,
        urgent=decision.urgent,
    )
    case = casework.open_case(
        session,
        actor,
        report,
        title=(decision.title.strip() or summary.splitlines()[0])[:MAX_TITLE],
        summary=summary,
        service_code=decision.service_code or None,
        level=decision.level,
        urgent=decision.urgent,
    )
    ledger.note(session, actor, report, "accept", before, decision.unheard_reason.strip() or None)
    ledger.tell(session, report)
    return case


def reject(
    session: Session,
    actor: Actor,
    report_id: int,
    version: int,
    *,
    reason: str,
    route: str = "",
    unheard_reason: str = "",
) -> Report:
    """Refuse with a reason and the lawful route; ``reason`` NO_CONTENT needs no route."""
    report = _open(session, actor, report_id)
    if not reason.strip():
        raise InvalidInput(N_("Give a reason."), field="reason")
    if reason != NO_CONTENT and not route.strip():
        raise InvalidInput(
            N_("Say where the caller can turn to: court, arbitration, another office…"),
            field="route",
        )
    _check_heard(session, actor, report, unheard_reason)
    before = report.state
    ledger.change(
        session,
        actor,
        report,
        version,
        state=ReportState.REJECTED.value,
        draft=None,
        reject_reason=reason.strip(),
        reject_route=route.strip() or None,
    )
    told = "; ".join(part for part in (reason.strip(), unheard_reason.strip()) if part)
    ledger.note(session, actor, report, "reject", before, told)
    ledger.tell(session, report)
    outbox.emit(session, REFUSED, report_id=report.id)
    return report


def join(session: Session, actor: Actor, report_id: int, version: int, case_id: int) -> Report:
    """The report says what a case already answers: it follows that case."""
    report = _open(session, actor, report_id)
    case = access.case(session, actor, case_id)
    if report.confidential and not case.confidential:
        raise InvalidInput(
            N_("A confidential report can only join a confidential case."), field="case_id"
        )
    before = report.state
    ledger.change(session, actor, report, version, state=ReportState.DUPLICATE.value)
    if session.get(CaseReport, (case.id, report.id)) is None:  # a later word follows it already
        session.add(CaseReport(case_id=case.id, report_id=report.id))
    ledger.note(session, actor, report, "join", before, case.case_no)
    ledger.tell(session, report)
    return report


def reopen(session: Session, actor: Actor, report_id: int, version: int, reason: str) -> Report:
    """Back to review: an appeal against a refusal, or a duplicate that was none."""
    report = _mine(session, actor, report_id)
    if ReportState.UNDER_REVIEW not in REPORT_ROADS[ReportState(report.state)]:
        raise Conflict(N_("This report cannot go back to review."))
    before = report.state
    if before == ReportState.DUPLICATE:
        session.execute(sa.delete(CaseReport).where(CaseReport.report_id == report.id))
    ledger.change(session, actor, report, version, state=ReportState.UNDER_REVIEW.value)
    ledger.note(session, actor, report, "reopen", before, reason.strip() or None)
    ledger.tell(session, report)
    return report


def _mine(session: Session, actor: Actor, report_id: int) -> Report:
    report = access.report(session, actor, report_id)
    access.require_review(actor, report)
    return report


def _open(session: Session, actor: Actor, report_id: int) -> Report:
    report = _mine(session, actor, report_id)
    if report.state == ReportState.RECEIVED:
        raise Conflict(N_("Open the report before you change it."))
    if report.state != ReportState.UNDER_REVIEW:
        raise Conflict(N_("This report is decided already."))
    return report


def _check_length(text: str) -> None:
    if len(text) > MAX_TEXT:
        raise InvalidInput(
            N_("The text is longer than %(limit)d characters."),
            field="text",
            params={"limit": MAX_TEXT},
        )


def _check_decision(session: Session, actor: Actor, report: Report, decision: Decision) -> None:
    if not decision.summary.strip():
        raise InvalidInput(N_("Write what happened, where, to whom, how urgent."), field="summary")
    _check_length(decision.summary)
    if decision.service_code and decision.service_code not in SERVICE_BY_CODE:
        raise InvalidInput(N_("Choose a kind of the list."), field="service_code")
    if decision.level not in LEVELS:
        raise InvalidInput(N_("Choose a level of the list."), field="level")
    village = decision.village_code or report.village_code
    if village is None:
        raise InvalidInput(N_("Choose the village."), field="village_code")
    area = session.get(Area, village)
    if area is None or not access.in_area(session, actor, village):
        raise InvalidInput(N_("Choose a village of your area."), field="village_code")
    _check_heard(session, actor, report, decision.unheard_reason)


def _check_heard(session: Session, actor: Actor, report: Report, unheard_reason: str) -> None:
    if not listening.heard(session, actor, report) and not unheard_reason.strip():
        raise InvalidInput(
            N_("Play the recording to its end, or say why it cannot be played."),
            field="unheard_reason",
        )
