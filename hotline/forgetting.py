"""Numbers of callers and notes about them go when the words of their report go.

Calls and tasks without a report have a clock of their own: the end of the call, the end of the
task. A task that is open keeps everything, and so does a report whose words are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from cases.models import Report
from core import audit
from core.database import Database
from hotline.models import CallBack, CallRecord

ACTOR = "retention"
AT_ONCE = 100
"""Rows of one transaction."""


def sweep(database: Database, before: datetime, may_go_on: Callable[[], bool]) -> int:
    """Forget what is due: what ended before ``before``, and all whose report has no words left."""
    forgotten = 0
    for portion in (_calls, _tasks):
        while may_go_on():
            with database.write() as session:
                count = portion(session, before)
            forgotten += count
            if count < AT_ONCE:
                break
    if forgotten:
        with database.write() as session:
            audit.record(session, ACTOR, "retention.calls", "call:*", rows=forgotten)
    return forgotten


def _calls(session: Session, before: datetime) -> int:
    call = CallRecord
    alone = sa.and_(
        call.report_id.is_(None),
        sa.func.coalesce(call.ended_at, call.started_at) < before,
        _task_is_done(call.call_back_id),
    )
    rows = session.scalars(
        sa.select(call)
        .where(sa.or_(call.caller_sealed.is_not(None), call.caller_hash.is_not(None)))
        .where(sa.or_(_wordless(call.report_id), alone))
        .order_by(call.call_id)
        .limit(AT_ONCE)
    ).all()
    for row in rows:
        row.caller_sealed = row.caller_hash = None
    return len(rows)


def _tasks(session: Session, before: datetime) -> int:
    task = CallBack
    told = (task.caller_sealed, task.caller_hash, task.note, task.tried)
    alone = sa.and_(task.report_id.is_(None), task.done_at < before)
    rows = session.scalars(
        sa.select(task)
        .where(task.state == "done", sa.or_(*(_is_there(column) for column in told)))
        .where(sa.or_(_wordless(task.report_id), alone))
        .order_by(task.id)
        .limit(AT_ONCE)
        .with_for_update()
    ).all()
    for row in rows:
        row.caller_sealed = row.caller_hash = row.note = None
        row.tried = sa.null()  # None would be JSON's null
        row.version += 1
    return len(rows)


def _is_there(column: sa.orm.InstrumentedAttribute[Any]) -> sa.ColumnElement[bool]:
    return sa.and_(column.is_not(None), sa.cast(column, sa.Text) != "null")


def _wordless(report_id: sa.orm.InstrumentedAttribute[int | None]) -> sa.ColumnElement[bool]:
    return sa.exists().where(Report.id == report_id, Report.words_gone_at.is_not(None))


def _task_is_done(task_id: sa.orm.InstrumentedAttribute[int | None]) -> sa.ColumnElement[bool]:
    return ~sa.exists().where(CallBack.id == task_id, CallBack.state != "done")
