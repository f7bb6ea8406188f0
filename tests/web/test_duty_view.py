"""The report of somebody who was just cheated says why it is urgent, and who took it over."""

from __future__ import annotations

from typing import Any

import pytest

from cases.models import Report
from core.clock import utc_now
from core.database import Database
from core.sealed import Sealer
from hotline.models import CallRecord, DutyPhone, OutgoingCall
from tests.web.conftest import COUNTY, Clients
from tests.web.test_review import Arrive
from tests.web.test_review import arrive as arrive  # a fixture

NUMBER = "13100000001"


def attempt(who: str, cause: str) -> dict[str, Any]:
    return {"who": who, "masked": "131****0001", "rang_at": "2026-06-01T00:00:00+00:00",
            "answered_at": None, "ended_at": None, "cause": cause}  # fmt: skip


@pytest.fixture
def fraud(database: Database, sealer: Sealer, arrive: Arrive) -> int:
    """A report whose call rang the duty room; the ringing itself comes with ``ring``."""
    report_id = arrive(urgent=True, urgent_reason="fraud")
    now = utc_now()
    with database.write() as session:
        session.add(DutyPhone(id=7, kind="duty", area_code=COUNTY, name="城关派出所值班室",
                              number_sealed=sealer.seal(NUMBER), created_at=now))  # fmt: skip
        session.add(CallRecord(call_id="call-7", started_at=now, end_cause="completed", steps=[],
                               report_id=report_id))  # fmt: skip
    return report_id


def ring(database: Database, result: str, *attempts: dict[str, Any]) -> None:
    now = utc_now()
    with database.write() as session:
        session.add(OutgoingCall(id="order-77", kind="duty", state="done", call_id="call-7",
                                 requested_at=now, expires_at=now, ended_at=now,
                                 attempts=list(attempts), result=result))  # fmt: skip


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ("taken", "城关派出所值班室 took it over"),
        ("joined", "城关派出所值班室 spoke with the caller"),
        ("nobody", "Nobody took it"),
        ("no_trunk", "Not rung: the hotline has no line out"),
    ],
)
def test_the_report_tells_what_became_of_the_ringing(
    client: Clients, database: Database, fraud: int, result: str, words: str
) -> None:
    ring(database, result, attempt("duty:6", "no_answer"), attempt("duty:7", "answered"))
    page = client("operator").get(f"/reports/{fraud}").text
    assert "Just cheated of money (key 5)" in page
    assert words in page
    assert NUMBER not in page


@pytest.mark.parametrize(
    ("causes", "words"),
    [
        (["busy"], "was busy all the time"),
        (["busy", "limit"], "was busy all the time"),
        (["refused"], "no call got through"),
        (["busy", "unreachable"], "no call got through"),
        (["busy", "no_answer"], "Nobody took it"),
        (["declined", "refused"], "Nobody took it"),
        ([], "held none that can be called"),
    ],
)
def test_nobody_is_blamed_for_a_telephone_that_did_not_ring(
    client: Clients, database: Database, fraud: int, causes: list[str], words: str
) -> None:
    ring(database, "nobody", *(attempt("duty:7", cause) for cause in causes))
    page = client("operator").get(f"/reports/{fraud}").text
    assert words in page
    assert ("Nobody took it" in page) == (words == "Nobody took it")


def test_a_phone_that_was_removed_since_has_no_name(
    client: Clients, database: Database, fraud: int
) -> None:
    ring(database, "taken", attempt("duty:99", "answered"))
    assert "took it over" in client("operator").get(f"/reports/{fraud}").text


def test_why_it_is_urgent_is_told_in_words(
    client: Clients, database: Database, arrive: Arrive
) -> None:
    report_id = arrive(urgent=True, urgent_reason="webhook")
    page = client("operator").get(f"/reports/{report_id}").text
    assert "The system that sent it said so" in page
    assert "Duty phone" not in page
    with database.read() as session:
        assert session.get_one(Report, report_id).urgent
