"""The office does what telephony asks for in time or not at all."""

from __future__ import annotations

import asyncio
import json
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from cases.models import Case, Report, ResidentWord, StatusGuess
from core.database import Database
from core.models import AuditEntry, User
from core.settings import Settings
from hotline import in_time, staff_pins
from hotline.ask import ask
from hotline.models import CallBack, StaffPhone
from hotline.office import Office
from schedule import quiet
from tests.conftest import on_both_databases
from tests.hotline.test_office_answers import (
    CALLER,
    PIN,
    STAFF_PIN,
    VILLAGE,
    Cast,
    about,
    cast,
    make_case,
    report,
    solve,
    staff,
)
from tests.hotline.test_office_refusals import refuse

__all__ = ["cast", "report", "staff"]


@contextmanager
def held(database: Database) -> Iterator[None]:
    """Another writer keeps everybody waiting."""
    with database.write() as session:
        session.connection()
        if not database.is_sqlite:
            tables = ", ".join(f'"{t.__tablename__}"' for t in (User, StatusGuess))
            session.execute(sa.text(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE"))
        yield


def ask_while_held(desk: Office, database: Database, wait_s: float, **asked: Any) -> dict[str, Any]:
    """The answer to a question that has to wait for the other writer, and ``wait_s`` left then."""
    answers: list[dict[str, Any]] = []
    release_at = time.monotonic() + 0.3
    answer_by = release_at + in_time.COMMIT_S + wait_s
    line = json.dumps({**asked, "answer_by": answer_by}).encode()
    with held(database):
        asking = threading.Thread(target=lambda: answers.append(desk.answer(line)))
        asking.start()
        while time.monotonic() <= release_at:
            threading.Event().wait(0.02)
    asking.join(60)
    return answers[0]


REFUSED = {"ok": False, "error": "unavailable"}


@on_both_databases
def test_a_quiet_that_was_told_to_have_failed_is_not_ordered_later(
    database: Database, config: Settings, cast: Cast
) -> None:
    desk = Office(database, config)
    order = {"question": "quiet", "user_id": cast["village_head"].id, "hours": 1, "call_id": "q"}
    assert ask_while_held(desk, database, 0, **order) == REFUSED
    with database.read() as session:
        assert quiet.running(session, VILLAGE) is None
    assert ask_while_held(desk, database, 60, **order)["done"]
    with database.read() as session:
        assert quiet.running(session, VILLAGE) is not None


@on_both_databases
def test_not_satisfied_that_came_too_late_changes_nothing(
    database: Database, config: Settings, cast: Cast, report: Report
) -> None:
    case_id = make_case(database, cast, report)
    solve(database, cast, case_id)
    desk = Office(database, config)
    asked = {"question": "not_satisfied", **about(report, pin=PIN)}
    assert ask_while_held(desk, database, 0, **asked) == REFUSED
    with database.read() as session:
        assert session.get_one(Case, case_id).status == "resolved"
        assert session.scalars(sa.select(ResidentWord)).all() == []


def test_a_state_nobody_heard_counts_no_try_and_promises_no_call(
    database: Database, config: Settings, cast: Cast, report: Report
) -> None:
    refuse(database, cast, report, "劳动争议", "仲裁委")
    with database.write() as session:
        session.execute(sa.delete(CallBack))
    desk = Office(database, config)
    asked = {"question": "status", **about(report, pin=PIN, caller=CALLER)}
    assert ask_while_held(desk, database, 0, **asked) == REFUSED
    with database.read() as session:
        assert session.scalars(sa.select(CallBack)).all() == []
        assert session.scalars(sa.select(StatusGuess)).all() == []


def signing_in() -> dict[str, Any]:
    who = {"staff_no": "100001", "pin": STAFF_PIN, "purpose": "studio", "caller": "1"}
    return {"question": "staff", **who}


def signed_in(database: Database) -> tuple[int, int]:
    """How many signed in by telephone, and the tries that are counted against the recorder."""
    with database.read() as session:
        entries = sa.select(AuditEntry).where(AuditEntry.action == "phone.signed_in")
        row = session.scalars(sa.select(StaffPhone).where(StaffPhone.staff_no == "100001")).one()
        return len(session.scalars(entries).all()), row.failed_pins


def test_staff_who_waited_in_vain_have_not_signed_in(
    database: Database, config: Settings, staff: None
) -> None:
    assert ask_while_held(Office(database, config), database, 0, **signing_in()) == REFUSED
    assert signed_in(database) == (0, 0)


def test_the_right_pin_is_no_try_even_when_its_answer_comes_too_late(
    database: Database, config: Settings, staff: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, fits = Office(database, config), staff_pins.fits

    def slowly(pin: str, stored: str | None) -> bool:
        monkeypatch.setattr(in_time, "COMMIT_S", math.inf)
        return fits(pin, stored)

    monkeypatch.setattr(staff_pins, "fits", slowly)
    line = json.dumps({**signing_in(), "answer_by": time.monotonic() + 60}).encode()
    assert desk.answer(line) == REFUSED
    assert signed_in(database) == (0, 0)


def test_each_question_tells_until_when_its_answer_is_waited_for(
    office: Office, config: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    def note(_office: Office, line: bytes) -> dict[str, object]:
        asked.append(json.loads(line))
        return {"ok": True}

    monkeypatch.setattr(Office, "answer", note)
    before = time.monotonic()
    assert asyncio.run(ask(config, "quiet", limit_s=20, user_id=1)) == {"ok": True}
    assert before + 20 <= asked[-1]["answer_by"] <= time.monotonic() + 20


@pytest.mark.parametrize("odd", ["soon", True, None])
def test_a_question_with_an_odd_end_is_not_understood(
    database: Database, config: Settings, cast: Cast, odd: object
) -> None:
    asked = {"question": "quiet", "user_id": 1, "hours": 1, "answer_by": odd}
    answer = Office(database, config).answer(json.dumps(asked).encode())
    assert answer == {"ok": False, "error": "not understood"}
