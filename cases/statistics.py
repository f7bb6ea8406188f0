"""How many reports and cases stand where; every share with what it is a share of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases import access
from cases.lifecycle import CaseStatus, ReportState
from cases.models import Case, Report
from core.auth import Actor


@dataclass(frozen=True)
class Counts:
    """Per state (all states listed, 0 included) and the total they add up to."""

    reports: Mapping[str, int]
    reports_total: int
    cases: Mapping[str, int]
    cases_total: int
    reopened: int
    unreachable: int

    @property
    def to_review(self) -> int:
        """Reports that wait for a person."""
        return self.reports[ReportState.RECEIVED] + self.reports[ReportState.UNDER_REVIEW]

    @property
    def open_cases(self) -> int:
        return self.cases_total - self.cases[CaseStatus.CLOSED]


def counts(session: Session, actor: Actor | None = None) -> Counts:
    """For the home page (``actor``: what that person may see) and the command line (None: all).

    Reopened and unreachable cases are counted beside the states, over the same total.
    """
    reports, cases = sa.select(Report), sa.select(Case)
    if actor is not None:
        reports = access.reports_seen(session, actor)
        reads_cases = actor.may("case.read") or access.keeps_secrets(actor)
        cases = access.cases_seen(session, actor) if reads_cases else cases.where(sa.false())
    report_rows = reports.subquery()
    case_rows = cases.subquery()
    by_state = _grouped(session, report_rows.c.state)
    by_status = _grouped(session, case_rows.c.status)
    return Counts(
        reports={state.value: by_state.get(state.value, 0) for state in ReportState},
        reports_total=sum(by_state.values()),
        cases={status.value: by_status.get(status.value, 0) for status in CaseStatus},
        cases_total=sum(by_status.values()),
        reopened=_count(session, case_rows, case_rows.c.cycle_no > 1),
        unreachable=_count(session, case_rows, case_rows.c.verification_outcome == "unreachable"),
    )


def _grouped(session: Session, column: sa.ColumnElement[str]) -> dict[str, int]:
    rows = session.execute(sa.select(column, sa.func.count()).group_by(column))
    return {state: count for state, count in rows}


def _count(session: Session, rows: sa.Subquery, condition: sa.ColumnElement[bool]) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(rows).where(condition)) or 0
