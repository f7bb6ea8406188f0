"""The list of reports: what waits, in the order in which it is worked on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import access, dialects, reminders
from cases.dialects import Routing
from cases.lifecycle import ReportState
from cases.models import Report
from core import areas
from core.auth import Actor
from transcribe.models import Transcript, TranscriptionJob
from web import masks
from web.pages import Nav

SNIPPET = 60
FOR_ME = "mine"
WAITING = (ReportState.RECEIVED.value, ReportState.UNDER_REVIEW.value)


class SecretsToo(Nav):
    """A menu entry that the custodian sees beside those who have its right."""

    def shown_to(self, actor: Actor | None) -> bool:
        return super().shown_to(actor) or (actor is not None and access.keeps_secrets(actor))


@dataclass(frozen=True)
class Row:
    """One line of the list. A sealed row (confidential, not for this person) tells no content."""

    report: Report
    village: str | None
    snippet: str
    waiting_for_words: bool
    failed: bool
    is_sealed: bool
    routing: str = dialects.NOWHERE
    reminders: int = 0


def rows(
    session: Session,
    actor: Actor,
    *,
    waiting: bool,
    limit: int,
    offset: int = 0,
    dialect: str = "",
) -> tuple[list[Row], int]:
    """Reports for the list and how many there are: urgent first, then what residents ask about
    again, then the oldest (waiting), or the newest first (decided). Of those that wait, what is
    for people who understand another dialect comes after the own work.

    ``dialect``: only reports in it; FOR_ME: only what is not for somebody else.
    """
    routing = Routing(session, actor)
    condition = Report.state.in_(WAITING) if waiting else Report.state.not_in(WAITING)
    query = sa.select(Report).where(access.area_clause(session, actor), condition)
    if not actor.may("report.read"):
        query = query.where(Report.confidential)
    elsewhere = routing.elsewhere(condition) if waiting else sa.false()
    if dialect == FOR_ME:
        query = query.where(sa.not_(elsewhere))
    elif dialect:
        query = query.where(Report.dialect == dialect)
    total = session.scalar(sa.select(sa.func.count()).select_from(query.subquery())) or 0
    if waiting:
        alarm = sa.or_(Report.urgent, Report.proposed_urgent)
        later = sa.case((elsewhere, 1), else_=0)
        asked_about = reminders.first(reminders.of_report())
        query = query.order_by(sa.desc(alarm), later, asked_about, Report.received_at, Report.id)
    else:
        query = query.order_by(Report.received_at.desc(), Report.id.desc())
    found = list(session.scalars(query.limit(limit).offset(offset)))
    texts, states = _texts(session, found), _job_states(session, found)
    names = {area.code: area.name for area in areas.villages(session)}
    asked = reminders.by_report(session, [report.id for report in found])
    return [_row(actor, one, names, texts, states, routing, asked) for one in found], total


def _row(
    actor: Actor,
    report: Report,
    names: Mapping[str, str],
    texts: Mapping[int, str],
    states: Mapping[int, str],
    routing: Routing,
    asked: Mapping[int, int],
) -> Row:
    is_sealed = report.confidential and not access.keeps_secrets(actor)
    text = "" if is_sealed else texts.get(report.id) or report.typed_text or ""
    state = states.get(report.id)
    return Row(
        report,
        names.get(report.village_code or "") if not is_sealed else None,
        masks.hide(text)[:SNIPPET],
        state in ("queued", "running"),
        state == "failed" or report.sound_failure is not None,
        is_sealed,
        routing.of(report) if report.state in WAITING and not is_sealed else dialects.NOWHERE,
        0 if is_sealed else asked.get(report.id, 0),
    )


def _texts(session: Session, reports: list[Report]) -> dict[int, str]:
    found = session.execute(
        sa.select(Transcript.subject_id, Transcript.text)
        .where(
            Transcript.subject_kind == "report",
            Transcript.subject_id.in_([report.id for report in reports]),
        )
        .order_by(Transcript.version)
    )
    return {subject: text for subject, text in found}


def _job_states(session: Session, reports: list[Report]) -> dict[int, str]:
    found = session.execute(
        sa.select(TranscriptionJob.subject_id, TranscriptionJob.state)
        .where(
            TranscriptionJob.subject_kind == "report",
            TranscriptionJob.subject_id.in_([report.id for report in reports]),
        )
        .order_by(TranscriptionJob.id)
    )
    return {subject: state for subject, state in found}


def spoken(session: Session, actor: Actor) -> list[str]:
    """The dialects of the reports that wait in the own area, by name."""
    query = access.reports_seen(session, actor).where(
        Report.state.in_(WAITING), Report.dialect.is_not(None)
    )
    found = session.scalars(query.with_only_columns(Report.dialect).distinct())
    return sorted(name for name in found if name)


def next_waiting(session: Session, actor: Actor, after: int) -> int | None:
    """The report to open when ``after`` is done: the first of the list this person reviews and
    that is not for those who understand another dialect."""
    found, _ = rows(session, actor, waiting=True, limit=50, dialect=FOR_ME)
    for row in found:
        if row.report.id != after and access.may_review(actor, row.report):
            return row.report.id
    return None
