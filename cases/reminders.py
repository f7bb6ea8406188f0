"""催办: how often the resident asked again about what still waits for somebody who works here."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from cases import casework, deadlines
from cases.lifecycle import Action, ReportState
from cases.models import Case, CaseEvent, Report, ReportEvent

_DECIDED = (ReportState.ACCEPTED, ReportState.REJECTED, ReportState.DUPLICATE)


def of_case() -> sa.ColumnElement[int]:
    """SQL: reminders since the last step of the case in the row; not counted when it is done."""
    step = aliased(CaseEvent)
    last_step = (
        sa.select(sa.func.coalesce(sa.func.max(step.id), 0))
        .where(step.case_id == Case.id, step.action.in_(list(Action)))
        .correlate(Case)
        .scalar_subquery()
    )
    count = (
        sa.select(sa.func.count(CaseEvent.id))
        .where(
            CaseEvent.case_id == Case.id,
            CaseEvent.action == casework.REMINDER,
            CaseEvent.id > last_step,
        )
        .correlate(Case)
        .scalar_subquery()
    )
    return sa.case((Case.status.in_(list(deadlines.DONE)), 0), else_=count)


def of_report() -> sa.ColumnElement[int]:
    """SQL: reminders since the report in the row was last decided."""
    decision = aliased(ReportEvent)
    last_decision = (
        sa.select(sa.func.coalesce(sa.func.max(decision.id), 0))
        .where(decision.report_id == Report.id, decision.after.in_(_DECIDED))
        .correlate(Report)
        .scalar_subquery()
    )
    return (
        sa.select(sa.func.count(ReportEvent.id))
        .where(
            ReportEvent.report_id == Report.id,
            ReportEvent.action == casework.REMINDER,
            ReportEvent.id > last_decision,
        )
        .correlate(Report)
        .scalar_subquery()
    )


def first(reminders: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    """SQL to order by: what somebody was reminded of comes before what nobody asks about."""
    return sa.case((reminders > 0, 0), else_=1)


def by_case(session: Session, case_ids: Collection[int]) -> dict[int, int]:
    """How many reminders each of these cases has; those without any are missing."""
    return _by_id(session, sa.select(Case.id, of_case()).where(Case.id.in_(case_ids)))


def by_report(session: Session, report_ids: Collection[int]) -> dict[int, int]:
    """How many reminders each of these reports has; those without any are missing."""
    return _by_id(session, sa.select(Report.id, of_report()).where(Report.id.in_(report_ids)))


def _by_id(session: Session, query: sa.Select[int, int]) -> dict[int, int]:
    return {subject: count for subject, count in session.execute(query) if count}
