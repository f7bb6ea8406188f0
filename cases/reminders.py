"""催办: how often the resident asked again about what still waits for somebody who works here."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from cases import casework, deadlines
from cases.lifecycle import Action, ReportState
from cases.models import Case, CaseEvent, Report, ReportEvent

_DECIDED = (ReportState.ACCEPTED, ReportState.REJECTED, ReportState.DUPLICATE)


def of_case() -> sa.ColumnElement[int]:
    """SQL: reminders since the last step of the case in the row; not counted when it is done."""
    count = _since(CaseEvent, "case_id", Case, lambda event: event.action.in_(list(Action)))
    return sa.case((Case.status.in_(list(deadlines.DONE)), 0), else_=count)


def of_report() -> sa.ColumnElement[int]:
    """SQL: reminders since the report in the row was last decided."""
    return _since(ReportEvent, "report_id", Report, lambda event: event.after.in_(_DECIDED))


def _since(
    events: Any, subject: str, row: Any, is_answer: Callable[[Any], sa.ColumnElement[bool]]
) -> sa.ScalarSelect[int]:
    """SQL: reminders among ``events`` whose ``subject`` is the row, after the last answer."""
    answers = aliased(events)
    answered = (
        sa.select(sa.func.coalesce(sa.func.max(answers.id), 0))
        .where(getattr(answers, subject) == row.id, is_answer(answers))
        .correlate(row)
        .scalar_subquery()
    )
    return (
        sa.select(sa.func.count(events.id))
        .where(
            getattr(events, subject) == row.id,
            events.action == casework.REMINDER,
            events.id > answered,
        )
        .correlate(row)
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
