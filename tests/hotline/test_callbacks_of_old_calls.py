"""An upgrade puts the calls that nobody answered yet on the list of call-backs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from core import migrate
from core.database import Database
from core.settings import Settings
from hotline.models import CallBack, CallRecord
from tests.postgres import Postgres


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real("postgresql"))])
def old(request: pytest.FixtureRequest, config: Settings) -> Iterator[Database]:
    """A database as it was before there were call-back tasks."""
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        opened = Database(server.new_database())
    else:
        opened = Database.from_settings(config)
    migrate.upgrade(opened, "0003")
    yield opened
    opened.close()


def call(database: Database, call_id: str, caller: str | None, cause: str, **more: Any) -> None:
    values: dict[str, Any] = {
        "call_id": call_id,
        "caller_hash": caller,
        "caller_sealed": f"sealed {caller}" if caller else None,
        "started_at": f"2026-06-01 0{more.pop('hour', 1)}:00:00",
        "end_cause": cause,
        "needs": True,
        "report_id": None,
        **more,
    }
    with database.engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO call_record (call_id, caller_hash, caller_sealed, started_at,"
                " end_cause, steps, needs_call_back, report_id) VALUES (:call_id, :caller_hash,"
                " :caller_sealed, :started_at, :end_cause, '[]', :needs, :report_id)"
            ),
            values,
        )


def report(database: Database, *, confidential: bool = False) -> int:
    with database.engine.begin() as connection:
        made: int = connection.execute(
            sa.text(
                "INSERT INTO report (reference_no, source_key, channel, state, received_at,"
                " confidential, urgent, cut_off, proposed_urgent, version) VALUES ('1', '1',"
                " 'phone', 'received', '2026-06-01 00:00:00', :confidential, false, false, false,"
                " 1) RETURNING id"
            ),
            {"confidential": confidential},
        ).scalar_one()
    return made


def tasks(database: Database) -> list[CallBack]:
    migrate.upgrade(database)
    with database.read() as session:
        return list(session.scalars(sa.select(CallBack).order_by(CallBack.open_key)))


def test_calls_of_one_number_are_one_task(old: Database) -> None:
    call(old, "a", "wang", "hangup", hour=1)
    call(old, "b", "wang", "call_back_wanted", hour=2)
    call(old, "c", "wang", "hangup", hour=3)
    call(old, "d", "zhou", "no_speech")
    wang, zhou = tasks(old)
    assert (wang.calls, wang.reason, wang.state) == (3, "wanted", "open")
    assert wang.due_at.isoformat() == "2026-06-01T01:30:00+00:00"
    assert wang.last_call_at.isoformat() == "2026-06-01T03:00:00+00:00"
    assert wang.caller_sealed == "sealed wang"
    assert (zhou.calls, zhou.reason) == (1, "no_speech")
    with old.read() as session:
        owned = dict(session.execute(sa.select(CallRecord.call_id, CallRecord.call_back_id)).all())
    assert owned == {"a": wang.id, "b": wang.id, "c": wang.id, "d": zhou.id}


def test_nobody_can_call_a_number_that_was_withheld(old: Database) -> None:
    call(old, "a", None, "hangup")
    assert tasks(old) == []


def test_a_report_from_a_withheld_number_is_worth_a_task(old: Database) -> None:
    secret = report(old, confidential=True)
    call(old, "a", None, "killed", report_id=secret)
    (task,) = tasks(old)
    assert (task.reason, task.report_id, task.confidential) == ("killed", secret, True)


def test_who_called_again_and_was_heard_waits_for_nothing(old: Database) -> None:
    call(old, "a", "wang", "hangup", hour=1)
    call(old, "b", "wang", "completed", hour=2, needs=False, report_id=report(old))
    assert tasks(old) == []


def test_a_promise_outlives_a_later_report(old: Database) -> None:
    call(old, "a", "wang", "call_back_wanted", hour=1)
    call(old, "b", "wang", "completed", hour=2, needs=False, report_id=report(old))
    assert [task.reason for task in tasks(old)] == ["wanted"]
